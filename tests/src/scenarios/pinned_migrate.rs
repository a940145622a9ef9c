//! `pinned-migrate`: clients with a fixed source port never fall silent. With `--pinned migrate` the server goes all
//! the same, each of its flows continues at another server, and not one datagram is lost.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::{Account, Flow, Server};
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "pinned-migrate",
    about: "flows of clients with a fixed source port move to another server without a loss",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 514;
const FLOWS: u16 = 3;
/// Dense enough that several datagrams meet the kernel while it flushes the entries of the removed server, which it
/// begins a tick (4 ms) after the removal.
const EVERY: Duration = Duration::from_millis(2);
const DRAINED: Server = Server(1);
const LIMIT: Duration = Duration::from_mins(1);

fn run(stage: &mut Stage) -> Result<Value> {
    let mut seen = Vec::new();
    for forwarding in [Forwarding::DirectRoute, Forwarding::Tunnel] {
        stage.progress(json!({"forwarding": format!("{forwarding:?}")}));
        seen.push(one(forwarding).with_context(|| format!("under {forwarding:?}"))?);
    }
    Ok(json!(seen))
}

fn one(forwarding: Forwarding) -> Result<Value> {
    let world = World::build(forwarding, 3)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", forwarding, addresses)?;
    let place = world.place(service, DRAINED, PORT);
    let mut traffic = Traffic::new(&world);
    traffic.receive_udp(PORT, Replies::Echo)?;
    let flows = (0..FLOWS).map(|number| UdpFlow {
        starts: Duration::from_millis(30) * u32::from(number),
        lasts: None,
        every: EVERY,
        source_port: Some(40_000 + number),
    });
    traffic.send_udp(PORT, Replies::Echo, flows)?;

    let daemon = Daemon::start(&world, &[])?;
    clock::pass(Duration::from_secs(5));
    let end = daemon
        .begin_drain(place, &["--pinned", "migrate"])?
        .finish(LIMIT)?;
    let removed_at = clock::now();
    clock::pass(Duration::from_secs(10));
    let account = traffic.finish()?;

    ensure!(
        end.code == Some(0),
        "the drain ended with {:?}: {:?}",
        end.code,
        end.drain
    );
    ensure!(
        world.director().row(place)?.is_none(),
        "{place} is still in the table"
    );
    ensure!(
        account.lost() == 0,
        "{} of {} datagrams lost: {}",
        account.lost(),
        account.sent(),
        account.faults(9)
    );
    ensure!(
        account.unanswered() == 0,
        "{} datagrams unanswered: {}",
        account.unanswered(),
        account.faults(9)
    );
    ensure!(
        account.received_after(DRAINED, removed_at) == 0,
        "server1 still got {} datagrams after its removal",
        account.received_after(DRAINED, removed_at)
    );
    let moved: Vec<Flow> = account.flows_of(DRAINED).collect();
    ensure!(
        moved.len() == usize::from(FLOWS / 3),
        "{} of {FLOWS} flows began at server1",
        moved.len()
    );
    for flow in &moved {
        moved_once(&account, *flow)?;
    }
    ensure!(
        end.drain.migrated == moved.len() as u64,
        "the daemon says it migrated {} flows; by the ledger {} moved",
        end.drain.migrated,
        moved.len()
    );
    Ok(json!({
        "sent": account.sent(),
        "migrated": moved.len(),
        "seconds_to_removal": end.drain.seconds_to_removal,
    }))
}

/// First server1, then one other, for good.
fn moved_once(account: &Account, flow: Flow) -> Result<()> {
    let servings = account.servings(flow);
    ensure!(
        matches!(&servings[..], [first, second] if first.server == DRAINED && second.server != DRAINED),
        "flow {} was to move once from server1 to another: {servings:?}",
        flow.0
    );
    Ok(())
}
