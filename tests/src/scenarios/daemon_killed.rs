//! `daemon-killed`: what is counted outlives the daemon. Killed twice in mid-drain, it finds each flow with its age and
//! with the packets of the time it was dead; the drain ends by the last packet, and not by the restart.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::api::FlowsView;
use ipvsdrain::drain::State;
use ipvsdrain::identity::Protocol;
use ipvsdrain::moment::Moment;
use serde_json::{Value, json};

use super::daemon_crashes::await_drain;
use super::nothing_attached::traced;
use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, Place, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "daemon-killed",
    about: "a killed daemon missed nothing: ages, packets and the quiet window go on from before",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 514;
const DRAINED: Server = Server(1);
/// Three flows for each of two servers; the first pair ends while the daemon is dead for the first time, the others
/// while it is for the second.
const LAST: [u64; 3] = [36, 96, 96];
/// Longer than the kernel takes to renew its counter, so that it shows every packet now and then.
const EVERY: Duration = Duration::from_secs(3);
const QUIET: Duration = Duration::from_secs(30);
/// How late the kernel's counter may be, by the daemon's reckoning.
const LAG: Duration = Duration::from_secs(5);
const PINS: &str = "/sys/fs/bpf/ipvsdrain";

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let place = world.place(service, DRAINED, PORT);
    let before = traced()?;
    let mut daemon = Daemon::start(&world, &[])?;
    let mut traffic = Traffic::new(&world);
    traffic.receive_udp(PORT, Replies::Echo)?;
    let flows = LAST
        .into_iter()
        .flat_map(|last| [last, last])
        .map(|last| UdpFlow {
            starts: Duration::ZERO,
            lasts: Some(Duration::from_secs(last)),
            every: EVERY,
            source_port: None,
        });
    let begin = clock::now();
    traffic.send_udp(PORT, Replies::Echo, flows)?;
    clock::pass(Duration::from_secs(1));

    let _waiting = daemon.begin_drain(place, &["--udp-quiet", "30s"])?;
    await_drain(&daemon, place, "three live flows", |drain| {
        drain.live.is_some_and(|live| live.udp == 3)
    })?;
    until(begin, 20);
    stage.progress(json!({"step": "killed while all flows send"}));
    daemon.kill()?;
    until(begin, 50);
    ensure!(traced()? != before, "nobody counts while the daemon is dead");
    daemon.restart(&[])?;
    let restarted = clock::now();
    let shown = counted(&traffic, &daemon, place)?;
    let first = older_than(&shown, restarted)?;
    let mut idle: Vec<f64> = shown.flows.iter().map(|flow| flow.idle_seconds).collect();
    idle.sort_by(f64::total_cmp);
    ensure!(
        idle[1] < 4.0 && idle[2] > 10.0,
        "two flows go on, one ended at second {}: {shown:?}",
        LAST[0]
    );

    until(begin, 70);
    stage.progress(json!({"step": "killed again, until all flows have ended"}));
    daemon.kill()?;
    until(begin, LAST[2] + 15);
    ensure!(
        world.director().row(place)?.is_some(),
        "{place} was removed while the daemon was dead"
    );
    daemon.restart(&[])?;
    let restarted = clock::now();
    let shown = counted(&traffic, &daemon, place)?;
    stage.progress(json!({"step": "restarted", "flows": shown.found}));
    let again = older_than(&shown, restarted)?;
    // Ages are told as numbers with a point: the last bits are lost.
    ensure!(
        again.since(first).max(first.since(again)) < Duration::from_millis(1),
        "the flows began anew: {shown:?}"
    );
    await_drain(&daemon, place, "the removal", |drain| {
        drain.state == State::Removed
    })?;
    let removed = clock::now();
    let end = await_drain(&daemon, place, "its end", |drain| drain.over)?;

    let account = traffic.finish()?;
    let last = account.last_receipt(DRAINED).context("server1 got nothing")?;
    let silent = removed.since(last);
    ensure!(
        silent >= QUIET && silent <= QUIET + LAG + Duration::from_secs(4),
        "removed {silent:?} after the last datagram, the quiet window is {QUIET:?}"
    );
    ensure!(
        removed.since(restarted) < QUIET,
        "removed {:?} after the restart: it began a new window",
        removed.since(restarted)
    );
    ensure!(
        account.lost() == 0 && end.arrivals.is_some_and(|arrivals| arrivals.lost == 0),
        "{} lost by the ledger, {:?} by the daemon: {end:?}; it printed: {}",
        account.lost(),
        end.arrivals,
        daemon.log()
    );
    let sent = account.received_after(DRAINED, just_before(first));
    ensure!(
        end.forwarded == Some(sent as u64),
        "the server got {sent} datagrams since the watch began, the daemon counted {:?}",
        end.forwarded
    );
    nothing_left(&daemon, &before)?;
    Ok(json!({"forwarded": end.forwarded, "silent": silent.as_secs_f64(), "verdict": end.verdict}))
}

fn until(begin: Moment, second: u64) {
    clock::pass((begin + Duration::from_secs(second)).since(clock::now()));
}

/// The flows as shown, with as many datagrams as the ledger knows of.
fn counted(traffic: &Traffic<'_>, daemon: &Daemon<'_>, place: Place) -> Result<FlowsView> {
    // Between two datagrams: what left has arrived, and is counted.
    let mut before = traffic.ledger().account();
    loop {
        let shown = daemon.flows(place, &[])?;
        let after = traffic.ledger().account();
        if after.sent() != before.sent() {
            before = after;
            continue;
        }
        ensure!(
            shown.found == 3 && shown.complete,
            "three flows were there: {shown:?}; the daemon printed: {}",
            daemon.log()
        );
        let requests: u64 = shown.flows.iter().map(|flow| flow.requests).sum();
        let received = after.received_after(DRAINED, just_before(first_seen(&shown)));
        ensure!(
            requests == received as u64,
            "{received} datagrams came to the server, {requests} were counted: {shown:?}"
        );
        return Ok(shown);
    }
}

/// When the first flow was seen; each of them long before the daemon began.
fn older_than(shown: &FlowsView, restarted: Moment) -> Result<Moment> {
    let first = first_seen(shown);
    ensure!(
        shown
            .flows
            .iter()
            .all(|flow| shown.at.since(restarted).as_secs_f64() + 20.0 < flow.age_seconds),
        "each flow is older than the daemon: {shown:?}"
    );
    Ok(first)
}

fn first_seen(shown: &FlowsView) -> Moment {
    let age = shown
        .flows
        .iter()
        .map(|flow| flow.age_seconds)
        .fold(0.0, f64::max);
    let nanos = u64::try_from(Duration::from_secs_f64(age).as_nanos()).unwrap_or(u64::MAX);
    Moment::from_nanos(shown.at.as_nanos() - nanos)
}

/// Half way to the datagrams before it.
fn just_before(first: Moment) -> Moment {
    Moment::from_nanos(first.as_nanos() - 1_500_000_000)
}

/// No probe, no filter, no pin.
pub(super) fn nothing_left(daemon: &Daemon<'_>, before: &std::collections::BTreeSet<String>) -> Result<()> {
    let limit = clock::now() + Duration::from_secs(5);
    while traced()? != *before || Path::new(PINS).exists() {
        ensure!(
            clock::now() < limit,
            "left behind: {:?}, {PINS} exists: {}; the daemon printed: {}",
            traced()?.difference(before),
            Path::new(PINS).exists(),
            daemon.log()
        );
        clock::pass(Duration::from_millis(100));
    }
    Ok(())
}
