//! `rolling-restart`: the script of `docs/operations.md`, taken from that page and run as it stands there, restarts
//! three DNS servers one after the other under load. No query is lost, and each is restarted while it is out of the table.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock;
use crate::daemon::Daemon;
use crate::dns;
use crate::documents::blocks;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, Place, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "rolling-restart",
    about: "the documented script restarts three DNS servers in turn under load, and no query is lost",
    programs: &["nsd", "dnsperf", "bind9-dnsutils/dig"],
    observes: true,
    run,
};

const PAGE: &str = include_str!("../../../docs/operations.md");
const MARK: &str = "sh rolling-restart";
const PORT: u16 = 53;
const SERVERS: u16 = 3;
/// Two sockets for each server.
const SOCKETS: u16 = 6;
const PER_SECOND: u32 = 12;
/// Traffic before and after; longer than dnsperf waits for an answer.
const AROUND: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_mins(20);

fn run(stage: &mut Stage) -> Result<Value> {
    let script = the_script()?;
    let world = World::build(Forwarding::DirectRoute, SERVERS)?;
    let servers = dns::Servers::start(&world, PORT)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let places: Vec<Place> = world
        .servers()
        .map(|(server, _)| world.place(service, server, PORT))
        .collect();
    let before = world.director().saved()?;
    let daemon = Daemon::start(&world, &[])?;
    daemon.publish()?;
    let load = dns::Load::start(&world, PORT, SOCKETS, PER_SECOND)?;
    clock::pass(AROUND);

    let folder = TempDir::new().context("cannot make a folder for the script")?;
    let stand_in = StandIn::install(folder.path())?;
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(script)
        .arg("rolling-restart")
        .arg(service.to_string())
        .args(places.iter().map(|place| place.server.to_string()))
        .env("PATH", stand_in.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ended = thread::scope(|scope| -> Result<_> {
        let restarts = scope.spawn(|| stand_in.serve(&world, servers, &places));
        let ended = world.director().machine().start(&mut command)?.finish(LIMIT);
        // Whatever became of the script, nobody asks for a restart any more.
        stand_in.close()?;
        let restarts = restarts.join().expect("the stand-in does not panic");
        let ended = ended?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&ended.stdout) + &text(&ended.stderr);
        ensure!(
            ended.status.success(),
            "the script ended with {}: {said} {restarts:?}",
            ended.status
        );
        Ok((restarts?, said))
    });
    let (restarted, said) = ended?;
    stage.progress(json!({"script": said}));
    clock::pass(AROUND);
    let count = load.finish()?;

    ensure!(
        restarted.order == [Server(1), Server(2), Server(3)],
        "each is restarted once, in turn: {:?}",
        restarted.order
    );
    ensure!(
        count.lost == 0 && count.completed > 0,
        "queries were lost: {count:?}; the script said: {said}"
    );
    let after = world.director().saved()?;
    let sorted = |table: &str| {
        let mut lines: Vec<_> = table.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    ensure!(
        sorted(&before) == sorted(&after),
        "the table was\n{before}\nand is\n{after}"
    );
    Ok(json!({"queries": count, "said": said}))
}

fn the_script() -> Result<&'static str> {
    let found = blocks(PAGE).into_iter().find(|block| block.mark == MARK);
    let script = found
        .with_context(|| format!("docs/operations.md has no block `{MARK}`"))?
        .body;
    Ok(script)
}

/// What stands in for `ssh HOST systemctl restart nsd`: it hands the request to this process, which holds the servers.
struct StandIn {
    folder: std::path::PathBuf,
}

/// The servers that were restarted, in order, and the servers themselves, which run on.
#[derive(Debug)]
struct Restarted {
    order: Vec<Server>,
    _servers: dns::Servers,
}

const OVER: &str = "over";

impl StandIn {
    fn install(folder: &Path) -> Result<Self> {
        let ssh = folder.join("ssh");
        let place = folder.display();
        let text = format!(
            "#!/bin/sh\necho \"$*\" > {place}/asked && read -r code < {place}/done && exit \"$code\"\n"
        );
        fs::write(&ssh, text).context("cannot write the stand-in for ssh")?;
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).context("cannot make it executable")?;
        for name in ["asked", "done"] {
            mkfifo(&folder.join(name), Mode::S_IRWXU)
                .with_context(|| format!("cannot make the pipe {name}"))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The search path under which it is found first.
    fn path(&self) -> String {
        let usual = std::env::var("PATH").unwrap_or_default();
        format!("{}:{usual}", self.folder.display())
    }

    /// Restarts whatever is asked for, until [`StandIn::close`], and tells the first failure then.
    fn serve(&self, world: &World, mut servers: dns::Servers, places: &[Place]) -> Result<Restarted> {
        let mut order = Vec::new();
        let mut outcome = Ok(());
        loop {
            // Opening waits for someone who writes.
            let asked = File::open(self.folder.join("asked"))?;
            let line = BufReader::new(asked).lines().next().transpose()?;
            let line = line.context("the stand-in for ssh said nothing")?;
            if line == OVER {
                return outcome.map(|()| Restarted {
                    order,
                    _servers: servers,
                });
            }
            let restarted = restart(&line, world, &mut servers, places);
            // Told in any case: the script waits for it.
            fs::write(
                self.folder.join("done"),
                if restarted.is_ok() { "0\n" } else { "1\n" },
            )?;
            match restarted {
                Ok(server) => order.push(server),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
    }

    fn close(&self) -> Result<()> {
        fs::write(self.folder.join("asked"), format!("{OVER}\n")).context("cannot end the stand-in")
    }
}

/// `10.1.0.5 systemctl restart nsd`: only while no query can reach it.
fn restart(line: &str, world: &World, servers: &mut dns::Servers, places: &[Place]) -> Result<Server> {
    let (host, command) = line.split_once(' ').context("ssh takes a host and a command")?;
    ensure!(
        command == "systemctl restart nsd",
        "not what restarts a DNS server: {line}"
    );
    let found = (1..)
        .map(Server)
        .zip(places)
        .find(|(_, place)| place.server.0.ip().to_string() == host);
    let (server, place) = found.with_context(|| format!("no server has the address {host}"))?;
    ensure!(
        world.director().row(*place)?.is_none(),
        "{place} is restarted while it is in the table"
    );
    servers.restart(world, server)?;
    Ok(server)
}
