//! nsd on every real server, with a zone of a few names.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddrV4;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::{NAMES, ZONE, question};
use crate::clock;
use crate::process::Process;
use crate::world::World;

/// A server that has not answered by then never will.
const START_LIMIT: Duration = Duration::from_mins(1);

/// The running servers, one per real server; dropping them ends them.
#[derive(Debug)]
pub struct Servers {
    _running: Vec<(Process, TempDir)>,
}

impl Servers {
    /// Starts one on every real server and waits until each answers.
    pub fn start(world: &World, port: u16) -> Result<Self> {
        let mut running = Vec::new();
        for (server, machine) in world.servers() {
            let folder = TempDir::new().context("cannot make a folder for nsd")?;
            let listen = world.listen_address(server, port);
            write_configuration(folder.path(), listen)?;
            let log = File::create(folder.path().join("log"))?;
            let mut command = Command::new("nsd");
            command.args(["-d", "-c"]).arg(folder.path().join("nsd.conf"));
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            running.push((machine.start(&mut command)?, folder));
        }
        for ((server, machine), (process, folder)) in world.servers().zip(&mut running) {
            let listen = world.listen_address(server, port);
            machine
                .within(|| await_answer(process, listen))
                .with_context(|| format!("nsd said: {}", read_log(folder.path())))
                .with_context(|| format!("nsd does not answer on {listen} in {}", machine.name()))?;
        }
        Ok(Self { _running: running })
    }
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

/// Nothing outside `folder` is read or written, and no client is ever rate limited.
fn write_configuration(folder: &Path, listen: SocketAddrV4) -> Result<()> {
    let place = folder.display();
    let configuration = format!(
        "server:\n\
         \x20 ip-address: {}\n  port: {}\n  server-count: 1\n  do-ip6: no\n  username: \"\"\n  zonesdir: \"{place}\"\n\
         \x20 database: \"\"\n  pidfile: \"{place}/pid\"\n  zonelistfile: \"{place}/zone.list\"\n\
         \x20 xfrdfile: \"{place}/xfrd.state\"\n  xfrdir: \"{place}\"\n  rrl-ratelimit: 0\n\
         remote-control:\n  control-enable: no\n\
         zone:\n  name: {ZONE}\n  zonefile: zone\n",
        listen.ip(),
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
