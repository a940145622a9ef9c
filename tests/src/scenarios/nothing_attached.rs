//! `nothing-watched-nothing-attached`: an idle daemon costs the packet path nothing. The witness is the kernel's own
//! list of kprobes, and the daemon must agree with it.

use std::collections::BTreeSet;
use std::fs;
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
    name: "nothing-watched-nothing-attached",
    about: "no program is attached while no real server is watched, before a drain and after it",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 53;
/// Every kprobe of the kernel, whoever set it.
const KPROBES: &str = "/sys/kernel/debug/kprobes/list";

fn run(_stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let place = world.place(service, Server(1), PORT);
    let before = kprobes()?;
    let daemon = Daemon::start(&world, &[])?;

    nothing(&daemon, &before).context("before any drain")?;
    let drain = daemon.begin_drain(place, &[])?;
    let deadline = clock::now() + Duration::from_secs(5);
    while kprobes()? == before && clock::now() < deadline {
        ensure!(
            !drain.await_end(Duration::from_millis(100))?,
            "the drain ended before anything was attached"
        );
    }
    let during: Vec<String> = kprobes()?.difference(&before).cloned().collect();
    let attached = daemon.status()?.attached;
    ensure!(
        !during.is_empty(),
        "5 s after the drain's start {KPROBES} shows nothing new"
    );
    ensure!(
        attached.iter().filter(|name| name.starts_with("kprobe:")).count() == during.len(),
        "the daemon names {attached:?} as attached, the kernel lists {during:?}"
    );
    let end = drain.finish(Duration::from_mins(1))?;
    ensure!(
        end.code == Some(0),
        "the drain ended with {:?}: {:?}",
        end.code,
        end.drain
    );

    let deadline = clock::now() + Duration::from_secs(5);
    while kprobes()? != before && clock::now() < deadline {
        clock::pass(Duration::from_millis(100));
    }
    nothing(&daemon, &before).context("after the drain")?;
    Ok(json!({"attached": attached, "kprobes": during}))
}

fn nothing(daemon: &Daemon<'_>, before: &BTreeSet<String>) -> Result<()> {
    let now = kprobes()?;
    ensure!(now == *before, "{KPROBES} shows {:?}", now.difference(before));
    let attached = daemon.status()?.attached;
    ensure!(
        attached.is_empty(),
        "the daemon says that {attached:?} are attached"
    );
    Ok(())
}

/// The lines without their addresses and their state: `k  ip_vs_dr_xmit+0x0 [ip_vs]`.
pub(super) fn kprobes() -> Result<BTreeSet<String>> {
    let list =
        fs::read_to_string(KPROBES).with_context(|| format!("cannot read {KPROBES}: mount debugfs"))?;
    let named = |line: &str| {
        line.split_whitespace()
            .skip(1)
            .take(3)
            .collect::<Vec<_>>()
            .join(" ")
    };
    Ok(list.lines().map(named).collect())
}
