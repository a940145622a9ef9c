//! `checker-flaps`: what checks one of three servers changes its mind every three seconds. How often each way to look
//! after a pool changes the table for that, and how small the pool becomes.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ipvsdrain::identity::Protocol;
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::witness::Witness;
use super::ours::{self, Pace};
use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::peers::{Look, Peer, Running, Task, Wells};
use crate::scenario::{Findings, Scenario, Stage};
use crate::world::{Forwarding, VIP, World};

pub(in crate::scenarios) const SCENARIO: Scenario = Scenario {
    name: "checker-flaps",
    about: "a check that flaps every 3 s changes the table once and removes nobody; option {\"minutes\": 10}",
    programs: &["keepalived/keepalived", "ldirectord/ldirectord"],
    observes: false,
    run,
};

const PORT: u16 = 5300;
const SERVERS: u16 = 3;
const FLAPPING: Server = Server(1);
const EVERY: Duration = Duration::from_secs(3);
/// Unless the options say otherwise.
const MINUTES: u64 = 2;
const SETTLING: Duration = Duration::from_secs(20);
const PACE: Pace = Pace {
    interval: Duration::from_secs(1),
    timeout: Duration::from_millis(500),
    remove_after: Duration::from_mins(1),
};

#[derive(Debug, Serialize)]
struct Unrest {
    way: &'static str,
    weight_changes: usize,
    removals: usize,
    fewest_in_service: usize,
}

fn run(stage: &mut Stage) -> Result<Value> {
    let minutes = stage.options()["minutes"].as_u64().unwrap_or(MINUTES);
    let mut unrests = Vec::new();
    for peer in Peer::ON_FAILURE.into_iter().map(Some).chain([None]) {
        let name = peer.map_or("ipvsdrain", Peer::name);
        stage.progress(json!({"way": name}));
        let unrest = flap(peer, name, minutes).context(name)?;
        stage.progress(json!(unrest));
        unrests.push(unrest);
    }
    let value = json!({"minutes": minutes, "unrests": unrests, "table": table(&unrests)});
    match judge(&unrests) {
        Ok(()) => Ok(value),
        Err(error) => bail!(Findings {
            value,
            summary: format!("{error:#}"),
        }),
    }
}

fn flap(peer: Option<Peer>, name: &'static str, minutes: u64) -> Result<Unrest> {
    let world = World::build(Forwarding::DirectRoute, SERVERS)?;
    let wells = Wells::new(&world)?;
    let folder = TempDir::new().context("cannot make a folder")?;
    let task = Task::udp(PORT, Look::Wells);
    if !peer.is_some_and(Peer::makes_service) {
        let addresses = world.servers().map(|(_, machine)| machine.address());
        world
            .director()
            .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    }
    let _peer = peer
        .map(|peer| Running::start(peer, &task, &world, &wells))
        .transpose()?;
    let daemon = match peer {
        Some(_) => None,
        None => Some(ours::with_wells(&world, folder.path(), &wells, PORT, PACE)?),
    };
    clock::pass(SETTLING);
    let witness = Witness::start(world.director().machine())?;
    clock::pass(EVERY);
    let server = world.server(FLAPPING);
    let until = clock::now() + Duration::from_secs(60 * minutes);
    while clock::now() < until {
        wells.set(server, false)?;
        clock::pass(EVERY);
        wells.set(server, true)?;
        clock::pass(EVERY);
    }
    let place = world.place(format!("udp:{VIP}:{PORT}").parse()?, FLAPPING, PORT);
    let weights = witness.weights(place);
    let words: Vec<&str> = weights.split(' ').collect();
    let log = daemon.as_ref().map(Daemon::log).unwrap_or_default();
    ensure!(words[0] == "1", "it was not in service at first: {weights} {log}");
    Ok(Unrest {
        way: name,
        weight_changes: words.len() - 1,
        removals: words.iter().filter(|word| **word == "-").count(),
        fewest_in_service: witness.fewest_in_service(place.service),
    })
}

fn table(unrests: &[Unrest]) -> String {
    let mut lines = vec![format!(
        "{:32} {:>14} {:>9} {:>24}",
        "a check that flaps every 3 s", "weight changes", "removals", "fewest servers in service"
    )];
    for unrest in unrests {
        lines.push(format!(
            "{:32} {:>14} {:>9} {:>24}",
            unrest.way, unrest.weight_changes, unrest.removals, unrest.fewest_in_service
        ));
    }
    lines.join("\n")
}

fn judge(unrests: &[Unrest]) -> Result<()> {
    let ours = unrests.last().context("ipvsdrain was run")?;
    ensure!(
        ours.removals == 0 && ours.weight_changes == 1 && ours.fewest_in_service == 2,
        "one change of the weight was to be all: {ours:?}"
    );
    for peer in &unrests[..unrests.len() - 1] {
        ensure!(
            peer.weight_changes > 10 * ours.weight_changes,
            "{} changed the table as little: {peer:?}",
            peer.way
        );
    }
    Ok(())
}
