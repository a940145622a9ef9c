//! `all-checks-fail`: two of three servers fail, then all, then all recover. The floor keeps the second one, all three
//! keep the table as it is, and afterwards everything is as before.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::witness::Witness;
use super::LIMIT;
use super::ours::{self, Pace};
use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::peers::Wells;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, Place, World};

pub(in crate::scenarios) const SCENARIO: Scenario = Scenario {
    name: "all-checks-fail",
    about: "the floor is kept when servers fail, and where all fail the table stays and an alarm is raised",
    programs: &[],
    observes: false,
    run,
};

const PORT: u16 = 5300;
const SERVERS: u16 = 3;
const PACE: Pace = Pace {
    interval: Duration::from_secs(1),
    timeout: Duration::from_millis(500),
    remove_after: Duration::from_secs(5),
};
/// Several times what a removal takes.
const LONG: Duration = Duration::from_secs(40);

fn run(stage: &mut Stage) -> Result<Value> {
    stage.progress(json!({"step": "all at once"}));
    let at_once = all_at_once()?;
    stage.progress(json!({"step": "one after the other"}));
    let in_turn = one_after_the_other()?;
    Ok(json!({"all_at_once": at_once, "one_after_the_other": in_turn}))
}

struct Pool {
    wells: Wells,
    places: Vec<Place>,
    _folder: TempDir,
}

fn pool(world: &World) -> Result<(Pool, Daemon<'_>)> {
    let wells = Wells::new(world)?;
    let folder = TempDir::new().context("cannot make a folder")?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let places = world
        .servers()
        .map(|(server, _)| world.place(service, server, PORT))
        .collect();
    let daemon = ours::with_wells(world, folder.path(), &wells, PORT, PACE)?;
    let pool = Pool {
        wells,
        places,
        _folder: folder,
    };
    for place in &pool.places {
        daemon.await_health(*place, "well", LIMIT)?;
    }
    Ok((pool, daemon))
}

/// Whatever a broken checker says of all of them, no weight changes.
fn all_at_once() -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, SERVERS)?;
    let (pool, daemon) = pool(&world)?;
    let before = world.director().saved()?;
    let witness = Witness::start(world.director().machine())?;
    for (_, machine) in world.servers() {
        pool.wells.set(machine, false)?;
    }
    for place in &pool.places {
        daemon.await_health(*place, "all_fail", LIMIT)?;
    }
    clock::pass(LONG);
    let during = world.director().saved()?;
    let shown = daemon.says(&["status"])?.said;
    for (_, machine) in world.servers() {
        pool.wells.set(machine, true)?;
    }
    for place in &pool.places {
        daemon.await_health(*place, "well", LIMIT)?;
    }
    clock::pass(LONG);
    let after = world.director().saved()?;
    let log = daemon.log();
    ensure!(
        before == during && before == after,
        "the table changed: {before} {during} {after} {log}"
    );
    for place in &pool.places {
        let weights = witness.weights(*place);
        ensure!(weights == "1", "the weight of {place} changed: {weights} {log}");
    }
    ensure!(shown.contains("ALARM"), "no alarm is raised: {shown}");
    Ok(json!({"alarm": shown}))
}

/// The first is quiesced and removed; the second is needed; the third leaves the table as it is.
fn one_after_the_other() -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, SERVERS)?;
    let (pool, daemon) = pool(&world)?;
    let before = world.director().saved()?;
    let witness = Witness::start(world.director().machine())?;
    let [first, second, third] = pool.places[..] else {
        anyhow::bail!("there are three places")
    };
    pool.wells.set(world.server(Server(1)), false)?;
    daemon.await_health(first, "removed", LIMIT)?;
    pool.wells.set(world.server(Server(2)), false)?;
    daemon.await_health(second, "needed", LIMIT)?;
    clock::pass(LONG);
    pool.wells.set(world.server(Server(3)), false)?;
    daemon.await_health(third, "all_fail", LIMIT)?;
    clock::pass(LONG);
    let log = daemon.log();
    ensure!(
        world.director().row(first)?.is_none(),
        "{first} was to be removed: {log}"
    );
    for place in [second, third] {
        let weights = witness.weights(place);
        ensure!(weights == "1", "the weight of {place} changed: {weights} {log}");
    }
    // Once the first is back, the second can be spared.
    pool.wells.set(world.server(Server(1)), true)?;
    pool.wells.set(world.server(Server(3)), true)?;
    daemon.await_health(first, "well", LIMIT)?;
    daemon.await_health(second, "removed", LIMIT)?;
    pool.wells.set(world.server(Server(2)), true)?;
    daemon.await_health(second, "well", LIMIT)?;
    clock::pass(LONG);
    let after = world.director().saved()?;
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    ensure!(
        sorted(&before) == sorted(&after),
        "not as before: {before} {after} {}",
        daemon.log()
    );
    let weights = pool.places.iter().map(|place| witness.weights(*place));
    Ok(json!({"weights": weights.collect::<Vec<_>>()}))
}
