//! `flow-table-full`: packets whose flow finds no room are counted one by one, and a drain that missed a flow is held
//! and says so, however silent the rest becomes. How full it is and what the programs cost is told as well.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use ipvsdrain::observe::{Observer, QuietWindows, Sources};
use serde_json::{Value, json};

use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::traffic::Flood;
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "flow-table-full",
    about: "packets of flows that find no room are counted exactly, and the drain is held: flow table full",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 5300;
/// Exit code of a wait that was over while the evidence was unknown.
const UNKNOWN: i32 = 6;
/// Whether the kernel counts the runs of programs.
const STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

fn run(_stage: &mut Stage) -> Result<Value> {
    let untracked = untracked().context("what the observer reads")?;
    let held = held().context("what the daemon says")?;
    Ok(json!({"untracked": untracked, "held": held}))
}

/// A flood of one packet per flow, and room for two thirds of it.
fn untracked() -> Result<u64> {
    const FLOWS: u32 = 15_000;
    const ROOM: u32 = 10_000;
    let world = World::build(Forwarding::DirectRoute, 1)?;
    let director = world.director();
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = director.balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let place = world.place(service, Server(1), PORT);
    let sources = Sources {
        flow_capacity: Some(ROOM),
        ..Sources::default()
    };
    let mut observer = director.machine().within(|| Observer::prepare(&sources))?;
    observer.watch(&place.service, &place.server)?;
    let mut flood = Flood::open(&world, PORT)?;
    fs::write(STATS, "1").context(STATS)?;
    flood.send(0..FLOWS)?;
    let window = QuietWindows::LONGEST;
    let quiet = QuietWindows {
        udp: window,
        tcp: window,
        closing: window,
    };
    let reading = observer.read(&place.service, &place.server, &quiet, clock::now())?;
    ensure!(
        (reading.live_udp, reading.forwarded) == (ROOM.into(), ROOM.into()),
        "there is room for {ROOM}: {reading:?}"
    );
    ensure!(
        reading.untracked == u64::from(FLOWS - ROOM),
        "{FLOWS} packets came, of a flow each: {reading:?}"
    );
    let usage = observer.usage();
    fs::write(STATS, "0").context(STATS)?;
    ensure!(
        (usage.flows, usage.capacity, usage.untracked) == (Some(ROOM.into()), ROOM.into(), reading.untracked),
        "{usage:?} does not fit {reading:?}"
    );
    let probe = usage
        .programs
        .iter()
        .find(|program| program.name.contains("conn_put"));
    ensure!(
        probe.is_some_and(|probe| probe.number >= FLOWS.into() && !probe.lasted.is_zero()),
        "the probe ran for each of {FLOWS} packets: {usage:?}"
    );
    let uncounted = observer.usage().programs;
    ensure!(uncounted.is_empty(), "the host does not count: {uncounted:?}");
    observer.unwatch(&place.service, &place.server)?;
    let idle = observer.usage();
    ensure!(
        (idle.flows, idle.untracked) == (Some(0), reading.untracked),
        "what found no room is forgotten with the watch: {idle:?}"
    );
    Ok(reading.untracked)
}

/// Flows that a server had before its drain go on during it, more of them than the daemon has room for. They all fall
/// silent, and the server stays.
fn held() -> Result<String> {
    const FLOWS: u32 = 3_000;
    const ROOM: u64 = 1_000;
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let place = world.place(service, Server(1), PORT);
    let mut flood = Flood::open(&world, PORT)?;
    flood.send(0..FLOWS)?;
    let before = flood.received(Server(1));
    ensure!(before > ROOM, "{before} flows fit into the room for {ROOM}");

    let daemon = Daemon::start(&world, &["--flow-capacity", &ROOM.to_string()])?;
    let drain = daemon.begin_drain(place, &["--timeout", "1m"])?;
    await_watch(&daemon)?;
    flood.send(0..FLOWS)?;
    let during = flood.received(Server(1)) - before;
    ensure!(
        during == before,
        "{before} flows have an entry, {during} packets came"
    );
    let end = drain.finish(Duration::from_mins(2))?;

    ensure!(
        end.code == Some(UNKNOWN) && end.drain.evidence_unknown && end.drain.live.is_none(),
        "the client ended with {:?}, not {UNKNOWN}: {:?}",
        end.code,
        end.drain
    );
    let why = end.drain.held.clone().unwrap_or_default();
    let expected = format!("flow table full: {} packets", during - ROOM);
    ensure!(
        why.contains("unknown") && why.contains(&expected),
        "it does not say \"{expected}\" but: {why}"
    );
    ensure!(
        world.director().row(place)?.is_some(),
        "{place} was removed: {why}"
    );
    Ok(why)
}

/// Comes back once the daemon's programs are attached.
fn await_watch(daemon: &Daemon<'_>) -> Result<()> {
    let deadline = clock::now() + Duration::from_mins(1);
    while daemon.status()?.attached.is_empty() {
        ensure!(clock::now() < deadline, "nothing is attached: {}", daemon.log());
        clock::pass(Duration::from_millis(100));
    }
    Ok(())
}
