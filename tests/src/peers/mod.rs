//! Other programs that check the servers of a service and change the table by it, as they are run today.
//!
//! Owns their configurations. How a scenario makes a server unwell, and what it makes of it, is the scenario's.

mod hair_trigger;
mod keepalived;
mod ldirectord;

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::dns;
use crate::process::Process;
use crate::traffic::Worker;
use crate::world::{Machine, World};

/// A program, and how it is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A controller of a few lines: the first failed check deletes the server, the first passed one adds it.
    HairTrigger,
    /// keepalived, its checks alone, with `inhibit_on_failure`.
    KeepalivedInhibit,
    /// ldirectord with `quiescent=yes`.
    LdirectordQuiescent,
}

impl Peer {
    pub const ALL: [Peer; 3] = [
        Peer::HairTrigger,
        Peer::KeepalivedInhibit,
        Peer::LdirectordQuiescent,
    ];

    /// Whether it makes the service and its servers by itself, or finds them there.
    pub const fn makes_service(self) -> bool {
        !matches!(self, Peer::HairTrigger)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Peer::HairTrigger => "delete on first failure",
            Peer::KeepalivedInhibit => "keepalived, inhibit_on_failure",
            Peer::LdirectordQuiescent => "ldirectord, quiescent",
        }
    }
}

/// What they are to do.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    pub port: u16,
    pub weight: u32,
    /// Seconds from one check to the next.
    pub every: u32,
    pub look: Look,
}

/// How they look at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It is well while its [`Wells`] says so.
    Wells,
    /// It is well if it answers a DNS question on its own address.
    Dns,
}

/// A file for each server, which is there while the server is to be found well.
#[derive(Debug)]
pub struct Wells {
    folder: TempDir,
}

impl Wells {
    /// All are well.
    pub fn new(world: &World) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder for what is well")?;
        let wells = Self { folder };
        for (_, machine) in world.servers() {
            wells.set(machine, true)?;
        }
        Ok(wells)
    }

    pub fn set(&self, server: &Machine, is_well: bool) -> Result<()> {
        let path = self.path(server.address());
        if is_well {
            File::create(&path).map(drop)
        } else {
            fs::remove_file(&path)
        }
        .with_context(|| format!("cannot say in {} whether it is well", path.display()))
    }

    pub fn path(&self, server: Ipv4Addr) -> PathBuf {
        self.named(&server.to_string())
    }

    /// The file of the server whose address is in this word, which may be a shell's variable.
    pub fn named(&self, address: &str) -> PathBuf {
        self.folder.path().join(format!("{address}-is-well"))
    }
}

/// A peer at work on the director; dropping it ends it.
#[derive(Debug)]
pub struct Running {
    folder: TempDir,
    _process: Option<Process>,
    _worker: Option<Worker>,
}

impl Running {
    /// Starts it. The service must be there, unless the peer makes it.
    pub fn start(peer: Peer, task: &Task, world: &World, wells: &Wells) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder for a peer")?;
        let prepare: Prepare = match peer {
            Peer::HairTrigger => {
                let worker = hair_trigger::start(task, world, wells)?;
                return Ok(Self {
                    folder,
                    _process: None,
                    _worker: Some(worker),
                });
            }
            Peer::KeepalivedInhibit => keepalived::prepare,
            Peer::LdirectordQuiescent => ldirectord::prepare,
        };
        let mut command = prepare(task, world, wells, folder.path())?;
        let log = File::create(folder.path().join("log")).context("cannot make a log")?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = world.director().machine().start(&mut command)?;
        Ok(Self {
            folder,
            _process: Some(process),
            _worker: None,
        })
    }

    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        format!("it printed: {log}")
    }
}

/// Writes a program's configuration into a folder, and gives the command that runs it in the foreground.
type Prepare = fn(&Task, &World, &Wells, &Path) -> Result<Command>;

/// The name that is asked for.
fn question() -> String {
    format!("host0.{}", dns::ZONE)
}
