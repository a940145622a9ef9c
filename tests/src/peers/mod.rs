//! Other programs that check the servers of a service and change the table by it, as they are run today.
//!
//! Owns their configurations. How a scenario makes a server unwell, and what it makes of it, is the scenario's.

mod hair_trigger;
mod keepalived;
mod ldirectord;

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use ipvsdrain::identity::Protocol;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::dns;
use crate::ledger::Server;
use crate::process::Process;
use crate::traffic::Worker;
use crate::world::{Forwarding, Machine, World};

/// A program, and how it is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A controller of a few lines: the first failed check deletes the server, the first passed one adds it.
    HairTrigger,
    /// keepalived, its checks alone, with `inhibit_on_failure`.
    KeepalivedInhibit,
    /// keepalived, its checks alone, as it is by default: what fails is deleted.
    Keepalived,
    /// ldirectord with `quiescent=yes`.
    LdirectordQuiescent,
    /// ldirectord as it is by default, with a `maintenancedir`: what is named there is deleted.
    LdirectordMaintenance,
}

impl Peer {
    /// Those that are compared where a server fails.
    pub const ON_FAILURE: [Peer; 3] = [
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
            Peer::Keepalived => "keepalived",
            Peer::LdirectordQuiescent => "ldirectord, quiescent",
            Peer::LdirectordMaintenance => "ldirectord, maintenancedir",
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
    pub protocol: Protocol,
    pub forwarding: Forwarding,
    /// Seconds for which a client stays with its server.
    pub persistent: Option<u32>,
}

impl Task {
    /// A UDP service by direct route, its servers of weight 1, looked at once a second.
    pub fn udp(port: u16, look: Look) -> Self {
        Self {
            port,
            weight: 1,
            every: 1,
            look,
            protocol: Protocol::Udp,
            forwarding: Forwarding::DirectRoute,
            persistent: None,
        }
    }
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
    program: Option<Program>,
    process: Option<Process>,
    _worker: Option<Worker>,
}

impl Running {
    /// Starts it. The service must be there, unless the peer makes it.
    pub fn start(peer: Peer, task: &Task, world: &World, wells: &Wells) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder for a peer")?;
        let program = match peer {
            Peer::HairTrigger => {
                let worker = hair_trigger::start(task, world, wells)?;
                return Ok(Self {
                    folder,
                    program: None,
                    process: None,
                    _worker: Some(worker),
                });
            }
            Peer::KeepalivedInhibit | Peer::Keepalived => Program {
                peer,
                task: *task,
                configure: keepalived::configure,
            },
            Peer::LdirectordQuiescent | Peer::LdirectordMaintenance => Program {
                peer,
                task: *task,
                configure: ldirectord::configure,
            },
        };
        program.configure(&addresses(world), wells, folder.path())?;
        let mut command = match peer {
            Peer::LdirectordQuiescent | Peer::LdirectordMaintenance => ldirectord::command(folder.path())?,
            _ => keepalived::command(folder.path()),
        };
        let log = File::create(folder.path().join("log")).context("cannot make a log")?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = world.director().machine().start(&mut command)?;
        Ok(Self {
            folder,
            program: Some(program),
            process: Some(process),
            _worker: None,
        })
    }

    /// Takes a server out of the program's configuration, and has the program read it again.
    pub fn configure_without(&self, server: Server, world: &World, wells: &Wells) -> Result<()> {
        let (Some(program), Some(process)) = (&self.program, &self.process) else {
            bail!("this peer has no configuration")
        };
        let mut servers = addresses(world);
        servers.remove(usize::from(server.0) - 1);
        program.configure(&servers, wells, self.folder.path())?;
        process.signal(Signal::SIGHUP)
    }

    /// Names a server in ldirectord's `maintenancedir`.
    pub fn maintain(&self, server: &Machine) -> Result<()> {
        let path = ldirectord::maintenance(self.folder.path()).join(server.address().to_string());
        File::create(&path)
            .map(drop)
            .with_context(|| format!("cannot make {}", path.display()))
    }

    /// Ends it as a crash would: it cleans nothing up, and the table stays as it is.
    pub fn crash(&self) -> Result<()> {
        let Some(process) = &self.process else {
            bail!("this peer is no program")
        };
        process.signal(Signal::SIGKILL)
    }

    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        format!("it printed: {log}")
    }
}

/// A program with a configuration, and how that is written.
#[derive(Debug)]
struct Program {
    peer: Peer,
    task: Task,
    configure: Configure,
}

/// Writes the configuration for these servers into a folder.
type Configure = fn(&Program, &[Ipv4Addr], &Wells, &Path) -> Result<()>;

impl Program {
    fn configure(&self, servers: &[Ipv4Addr], wells: &Wells, folder: &Path) -> Result<()> {
        (self.configure)(self, servers, wells, folder)
    }
}

fn addresses(world: &World) -> Vec<Ipv4Addr> {
    world.servers().map(|(_, machine)| machine.address()).collect()
}

/// The name that is asked for.
fn question() -> String {
    format!("host0.{}", dns::ZONE)
}
