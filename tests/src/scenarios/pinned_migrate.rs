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
/// How far the datagrams of a flow are apart, under each way to forward.
const CASES: [(Forwarding, Duration); 3] = [
    (Forwarding::DirectRoute, DENSE),
    (Forwarding::Tunnel, DENSE),
    (Forwarding::DirectRoute, SPARSE),
];
/// Dense enough that several datagrams meet the kernel while it flushes the entries of the removed server, which it
/// begins a tick (4 ms) after the removal.
const DENSE: Duration = Duration::from_millis(2);
/// Sparse enough that the kernel has given back the memory of a flushed entry before the flow's next datagram: that
/// one's new entry, of another server, then lies where the old one was.
const SPARSE: Duration = Duration::from_millis(200);
const DRAINED: Server = Server(1);
const LIMIT: Duration = Duration::from_mins(1);

fn run(stage: &mut Stage) -> Result<Value> {
    let mut seen = Vec::new();
    for (forwarding, every) in CASES {
        let case = format!("{forwarding:?}, a datagram every {every:?}");
        stage.progress(json!({"case": case}));
        seen.push(one(forwarding, every).context(case)?);
    }
    Ok(json!(seen))
}

fn one(forwarding: Forwarding, every: Duration) -> Result<Value> {
    let world = World::build(forwarding, 3)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", forwarding, addresses)?;
    let place = world.place(service, DRAINED, PORT);
    let mut traffic = Traffic::new(&world);
    traffic.receive_udp(PORT, Replies::Echo)?;
    let flows = (0..FLOWS).map(move |number| UdpFlow {
        starts: Duration::from_millis(30) * u32::from(number),
        lasts: None,
        every,
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
    let lost = end.drain.arrivals.map(|arrivals| arrivals.lost);
    ensure!(
        lost == Some(0),
        "nothing was lost, but the daemon counts {lost:?}: {:?}",
        end.drain
    );
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
