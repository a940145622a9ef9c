//! nsd on every real server, with a zone of a few names.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{NAMES, ZONE, question};
use crate::clock;
use crate::ledger::Server;
use crate::process::Process;
use crate::world::{Machine, World};

/// A server that has not answered by then never will.
const START_LIMIT: Duration = Duration::from_mins(1);

/// The running servers, one per real server; dropping them ends them.
#[derive(Debug)]
pub struct Servers {
    running: Vec<(Process, TempDir)>,
}

impl Servers {
    /// Starts one on every real server and waits until each answers.
    pub fn start(world: &World, port: u16) -> Result<Self> {
        let mut running = Vec::new();
        for (server, machine) in world.servers() {
            let folder = TempDir::new().context("cannot make a folder for nsd")?;
            let listen = world.listen_address(server, port);
            write_configuration(folder.path(), listen, machine.address())?;
            running.push((launch(machine, folder.path())?, folder));
        }
        for ((server, machine), (process, folder)) in world.servers().zip(&mut running) {
            let listen = world.listen_address(server, port);
            machine
                .within(|| await_answer(process, listen))
                .with_context(|| format!("nsd said: {}", read_log(folder.path())))
                .with_context(|| format!("nsd does not answer on {listen} in {}", machine.name()))?;
        }
        Ok(Self { running })
    }

    /// Ends one and starts it again; whether it answers by then is not asked.
    pub fn restart(&mut self, world: &World, server: Server) -> Result<()> {
        let (process, folder) = &mut self.running[usize::from(server.0) - 1];
        process.signal(Signal::SIGTERM)?;
        ensure!(
            process.await_end(START_LIMIT)?,
            "nsd survives SIGTERM for {START_LIMIT:?}: {}",
            read_log(folder.path())
        );
        *process = launch(world.server(server), folder.path())?;
        Ok(())
    }
}

fn launch(machine: &Machine, folder: &Path) -> Result<Process> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    let mut command = Command::new("nsd");
    command.args(["-d", "-c"]).arg(folder.join("nsd.conf"));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    machine.start(&mut command)
}

fn await_answer(process: &mut Process, listen: SocketAddrV4) -> Result<()> {
    let deadline = clock::now() + START_LIMIT;
    while !question::answered(listen, &format!("host0.{ZONE}"), Duration::from_millis(100))? {
        if let Some(status) = process.ended()? {
            bail!("it ended with {status}");
        }
        if clock::now() > deadline {
            bail!("no answer within {START_LIMIT:?}");
        }
    }
    Ok(())
}

/// Nothing outside `folder` is read or written, and no client is ever rate limited. It answers on the machine's own
/// address as well: there it is asked whether it is up.
fn write_configuration(folder: &Path, listen: SocketAddrV4, own: Ipv4Addr) -> Result<()> {
    let place = folder.display();
    let mut addresses = vec![*listen.ip(), own];
    addresses.dedup();
    let addresses = addresses.iter().fold(String::new(), |mut lines, address| {
        let _ = writeln!(lines, "  ip-address: {address}");
        lines
    });
    let configuration = format!(
        "server:\n{addresses}\
         \x20 port: {}\n  server-count: 1\n  do-ip6: no\n  username: \"\"\n  zonesdir: \"{place}\"\n\
         \x20 database: \"\"\n  pidfile: \"{place}/pid\"\n  zonelistfile: \"{place}/zone.list\"\n\
         \x20 xfrdfile: \"{place}/xfrd.state\"\n  xfrdir: \"{place}\"\n  rrl-ratelimit: 0\n\
         remote-control:\n  control-enable: no\n\
         zone:\n  name: {ZONE}\n  zonefile: zone\n",
        listen.port()
    );
    let mut zone = format!(
        "$ORIGIN {ZONE}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 900 86400 60\n@ NS ns\nns A 10.0.0.1\n"
    );
    for number in 0..NAMES {
        let _ = writeln!(zone, "host{number} A 192.0.2.{number}");
    }
    fs::write(folder.join("nsd.conf"), configuration).context("cannot write nsd's configuration")?;
    fs::write(folder.join("zone"), zone).context("cannot write nsd's zone")
}

fn read_log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log"))
        .unwrap_or_else(|error| format!("(its log cannot be read: {error})"))
}
