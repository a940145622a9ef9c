//! `expire-nodest-put-back`: a removal borrows `net.ipv4.vs.expire_nodest_conn` for a moment. Whatever it was before,
//! it is afterwards.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "expire-nodest-put-back",
    about: "expire_nodest_conn is after a removal what it was before",
    programs: &[],
    observes: true,
    run,
};

const SYSCTL: &str = "net.ipv4.vs.expire_nodest_conn";
const PORT: u16 = 53;
const PUT_BACK_LIMIT: Duration = Duration::from_secs(5);

fn run(_stage: &mut Stage) -> Result<Value> {
    for before in ["0", "1"] {
        one(before).with_context(|| format!("with {SYSCTL}={before}"))?;
    }
    Ok(Value::Null)
}

fn one(before: &str) -> Result<()> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let director = world.director();
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = director.balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let place = world.place(service, Server(1), PORT);
    director.machine().set_sysctl(SYSCTL, before)?;

    let daemon = Daemon::start(&world, &[])?;
    let end = daemon.begin_drain(place, &[])?.finish(Duration::from_mins(1))?;
    ensure!(
        end.code == Some(0),
        "the drain ended with {:?}: {:?}",
        end.code,
        json!(end.drain)
    );
    ensure!(director.row(place)?.is_none(), "{place} is still in the table");
    // It stays on until the kernel has flushed the removed server's entries.
    let deadline = clock::now() + PUT_BACK_LIMIT;
    while director.machine().sysctl(SYSCTL)? != before && clock::now() < deadline {
        clock::pass(Duration::from_millis(100));
    }
    let after = director.machine().sysctl(SYSCTL)?;
    ensure!(
        after == before,
        "it was {before} before the removal and is {after} {PUT_BACK_LIMIT:?} after it"
    );
    Ok(())
}
