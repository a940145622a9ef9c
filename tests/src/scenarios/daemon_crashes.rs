//! `daemon-crashes`: the daemon is killed in the middle of a drain, and again while the sysctl is borrowed. The next
//! start goes on from the journal: the server is removed no earlier than it may be, nothing is lost, and what was borrowed
//! is put back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::api::DrainView;
use ipvsdrain::drain::State;
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, Place, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "daemon-crashes",
    about: "a daemon killed in mid-drain, and again while it has the sysctl borrowed, goes on and puts it back",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 514;
const DRAINED: Server = Server(1);
const FLOWS_LAST: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_mins(2);
const SYSCTL: &str = "net.ipv4.vs.expire_nodest_conn";

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let place = world.place(service, DRAINED, PORT);
    let mut traffic = Traffic::new(&world);
    traffic.receive_udp(PORT, Replies::Echo)?;
    let flows = (0..4).map(|_| UdpFlow {
        starts: Duration::ZERO,
        lasts: Some(FLOWS_LAST),
        every: Duration::from_millis(200),
        source_port: None,
    });
    traffic.send_udp(PORT, Replies::Echo, flows)?;

    let mut daemon = Daemon::start(&world, &[])?;
    let waiting = daemon.begin_drain(place, &[])?;
    await_drain(&daemon, place, "live flows", |drain| {
        drain.live.is_some_and(|live| live.udp > 0)
    })?;
    stage.progress(json!({"step": "killed in mid-drain"}));
    daemon.crash_and_restart()?;
    ensure!(
        waiting.await_end(LIMIT)?,
        "the client waits for a daemon that is gone"
    );
    let resumed = daemon.drain(place)?;
    ensure!(
        resumed.state != State::Removed && world.director().row(place)?.is_some(),
        "a drain with live flows was over after the restart: {resumed:?}"
    );

    let removed = await_drain(&daemon, place, "the removal", |drain| {
        drain.state == State::Removed
    })?;
    let removed_at = clock::now();
    let borrowed = world.director().machine().sysctl(SYSCTL)?;
    stage.progress(json!({"step": "killed after the removal", "sysctl": borrowed}));
    daemon.crash_and_restart()?;
    await_drain(&daemon, place, "its end", |drain| drain.over)?;

    let account = traffic.finish()?;
    let put_back = world.director().machine().sysctl(SYSCTL)?;
    ensure!(
        borrowed == "1",
        "the second crash came too late: {SYSCTL} was {borrowed} already"
    );
    ensure!(put_back == "0", "{SYSCTL} was 0 before and is {put_back}");
    ensure!(
        account.lost() == 0,
        "{} lost: {}",
        account.lost(),
        account.faults(5)
    );
    let last = account.last_receipt(DRAINED).context("server1 got nothing")?;
    ensure!(
        removed_at.since(last) >= QUIET,
        "removed {:?} after the last datagram",
        removed_at.since(last)
    );
    Ok(json!({"sent": account.sent(), "drain": removed}))
}

/// The drain as soon as it is so.
pub(super) fn await_drain(
    daemon: &Daemon<'_>,
    place: Place,
    what: &str,
    is_so: impl Fn(&DrainView) -> bool,
) -> Result<DrainView> {
    let deadline = clock::now() + LIMIT;
    loop {
        // The client may not have asked for it yet.
        let drain = daemon.drain(place);
        if let Ok(drain) = &drain
            && is_so(drain)
        {
            return Ok(drain.clone());
        }
        ensure!(
            clock::now() < deadline,
            "{LIMIT:?} passed without {what}: {drain:?}; the daemon printed: {}",
            daemon.log()
        );
        clock::pass(Duration::from_millis(200));
    }
}
