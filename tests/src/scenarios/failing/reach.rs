//! `checks-reach`: recursors that listen on the virtual address alone, as real servers under direct route may. Checks that
//! go the way clients do find them well, over UDP and TCP, and see the one that is killed; checks of the servers' own
//! addresses find nobody.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::LIMIT;
use super::recursor::{Listens, Recursor};
use crate::daemon::Daemon;
use crate::dns::ZONE;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, Place, World};

pub(in crate::scenarios) const SCENARIO: Scenario = Scenario {
    name: "checks-reach",
    about: "a check reaches a real server for the virtual address, as clients do under direct route",
    programs: &["unbound/unbound"],
    observes: false,
    run,
};

const PORT: u16 = 53;
const SERVERS: u16 = 2;
const KILLED: Server = Server(1);

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, SERVERS)?;
    let mut first = Recursor::start(&world, KILLED, PORT, Listens::Virtual)?;
    let _second = Recursor::start(&world, Server(2), PORT, Listens::Virtual)?;
    let addresses = || world.servers().map(|(_, machine)| machine.address());
    let balance = |protocol| {
        world
            .director()
            .balance(protocol, PORT, "rr", Forwarding::DirectRoute, addresses())
    };
    let services = [balance(Protocol::Udp)?, balance(Protocol::Tcp)?];
    let places = |server| services.map(|service| world.place(service, server, PORT));
    let all: Vec<Place> = [Server(1), Server(2)].into_iter().flat_map(places).collect();

    stage.progress(json!({"step": "the servers' own addresses"}));
    let folder = TempDir::new().context("cannot make a folder")?;
    let before = world.director().saved()?;
    {
        let daemon = start(&world, folder.path(), "own")?;
        for place in &all {
            daemon.await_health(*place, "all_fail", LIMIT)?;
        }
    }
    ensure!(before == world.director().saved()?, "the table changed");

    stage.progress(json!({"step": "the way clients go"}));
    let daemon = start(&world, folder.path(), "auto")?;
    for place in &all {
        daemon.await_health(*place, "well", LIMIT)?;
    }
    first.kill()?;
    for place in places(KILLED) {
        daemon.await_health(place, "removed", LIMIT)?;
    }
    let said = daemon.says(&["history"])?.said;
    ensure!(said.contains("refused"), "the cause is not told: {said}");
    first.launch(&world)?;
    for place in places(KILLED) {
        daemon.await_health(place, "well", LIMIT)?;
    }
    Ok(json!({"history": said}))
}

fn start<'world>(world: &'world World, folder: &Path, via: &str) -> Result<Daemon<'world>> {
    let question = format!("name = \"host0.{ZONE}\", record = \"A\"");
    let check = |matches: &str, kind: &str| {
        format!(
            "[[check]]\nmatch = {{ {matches} }}\nvia = \"{via}\"\ninterval_ms = 1000\ntimeout_ms = 500\n{kind}\n\n"
        )
    };
    let text = "[failure]\nremove_after_secs = 3\nhold_down_secs = 3\n\n".to_owned()
        + &check("protocol = \"udp\"", &format!("dns = {{ {question} }}"))
        + &check(
            "protocol = \"tcp\"",
            &format!("dns = {{ {question}, tcp = true }}"),
        )
        + &check("protocol = \"tcp\"", "tcp = {}");
    let path = folder.join("config.toml");
    fs::write(&path, text).context("cannot write a configuration")?;
    Daemon::start(world, &["--config", path.to_str().context("the path is text")?])
}
