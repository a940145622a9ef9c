//! `attached-under-load`: drains begin and are undone under dense traffic. Each puts programs on the director's
//! interface and takes them off again, and not one datagram is lost to that.
//!
//! The interface is as nobody has touched it, so each world is a new one: what a kernel does only the first time, it
//! does in each of them. `--options '{"arrivals": "xdp"}'` measures another way to count arrivals.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, Place, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "attached-under-load",
    about: "attaching to an interface and detaching from it loses none of the datagrams that pass it",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 514;
const WORLDS: u32 = 5;
const DRAINS: u32 = 2;
const FLOWS: u16 = 4;
/// With their answers, which masquerade leads through the director as well, some 11,000 packets a second in each
/// direction.
const EVERY: Duration = Duration::from_micros(700);
const DRAINED: Server = Server(1);
const LIMIT: Duration = Duration::from_mins(1);
/// How long the traffic runs on between two changes.
const PAUSE: Duration = Duration::from_millis(200);

fn run(stage: &mut Stage) -> Result<Value> {
    let arrivals = stage.options()["arrivals"].as_str().unwrap_or("auto").to_owned();
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for number in 1..=WORLDS {
        stage.progress(json!({"world": number}));
        let (told, faults) = one(&arrivals)?;
        seen.push(told);
        wrong.extend(faults);
    }
    ensure!(wrong.is_empty(), "{}; in all: {}", wrong.join("; "), json!(seen));
    Ok(json!(seen))
}

fn one(arrivals: &str) -> Result<(Value, Option<String>)> {
    let world = World::build(Forwarding::Masquerade, 2)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::Masquerade, addresses)?;
    let place = world.place(service, DRAINED, PORT);
    let daemon = Daemon::start(&world, &["--arrivals", arrivals])?;
    let mut traffic = Traffic::new(&world);
    traffic.receive_udp(PORT, Replies::Echo)?;
    for number in 0..FLOWS {
        let flow = UdpFlow {
            starts: Duration::ZERO,
            lasts: None,
            every: EVERY,
            source_port: Some(40_000 + number),
        };
        // A thread each: one of them more easily runs in the moment that matters.
        traffic.send_udp(PORT, Replies::Echo, [flow])?;
    }

    let mut attached = Vec::new();
    for _ in 0..DRAINS {
        clock::pass(PAUSE);
        attached = there_and_back(&daemon, place).with_context(|| format!("it printed: {}", daemon.log()))?;
    }
    clock::pass(PAUSE);
    let account = traffic.finish()?;
    let told = json!({
        "attached": attached,
        "sent": account.sent(),
        "lost": account.lost(),
        "unanswered": account.unanswered(),
    });
    let is_whole = account.lost() == 0 && account.unanswered() == 0;
    let fault = (!is_whole).then(|| {
        let (lost, unanswered, sent) = (account.lost(), account.unanswered(), account.sent());
        format!("{lost} of {sent} datagrams lost and {unanswered} unanswered, counted by {attached:?}")
    });
    Ok((told, fault))
}

/// Begins a drain and undoes it. Returns what was attached meanwhile.
fn there_and_back(daemon: &Daemon<'_>, place: Place) -> Result<Vec<String>> {
    let drain = daemon.begin_drain(place, &[])?;
    await_attached(daemon, true)?;
    let attached = daemon.status()?.attached;
    ensure!(
        attached.iter().any(|name| name.ends_with(":eth0")),
        "nothing is attached to the interface: {attached:?}"
    );
    clock::pass(PAUSE);
    daemon.restore(place)?;
    await_attached(daemon, false)?;
    let end = drain.finish(LIMIT)?;
    ensure!(
        end.code == Some(5),
        "a drain undone ends with 5, not {:?}: {:?}",
        end.code,
        end.drain
    );
    Ok(attached)
}

/// Comes back once something is attached, or nothing is.
fn await_attached(daemon: &Daemon<'_>, wanted: bool) -> Result<()> {
    let deadline = clock::now() + LIMIT;
    while daemon.status()?.attached.is_empty() == wanted {
        ensure!(clock::now() < deadline, "attached after {LIMIT:?}: {}", !wanted);
        clock::pass(Duration::from_millis(50));
    }
    Ok(())
}
