//! `nothing-watched-nothing-attached`: an idle daemon costs the packet path nothing. The witnesses are the kernel's
//! own lists of traced functions and of kprobes, and the daemon must agree with them.

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
/// Every kprobe of the kernel, whoever set it: `ffffffffc0a01234  k  ip_vs_conn_put+0x0  [ip_vs]`.
const KPROBES: &str = "/sys/kernel/debug/kprobes/list";
/// Every function whose entry is traced, which fentry's are: `ip_vs_conn_put [ip_vs] (1) R D`, and lines of detail.
const TRACED: &str = "/sys/kernel/debug/tracing/enabled_functions";

fn run(_stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let place = world.place(service, Server(1), PORT);
    let before = traced()?;
    let daemon = Daemon::start(&world, &[])?;

    nothing(&daemon, &before).context("before any drain")?;
    let drain = daemon.begin_drain(place, &[])?;
    let deadline = clock::now() + Duration::from_secs(5);
    while traced()? == before && clock::now() < deadline {
        ensure!(
            !drain.await_end(Duration::from_millis(100))?,
            "the drain ended before anything was attached"
        );
    }
    let during: Vec<String> = traced()?.difference(&before).cloned().collect();
    let attached = daemon.status()?.attached;
    ensure!(
        !during.is_empty(),
        "5 s after the drain's start {KPROBES} and {TRACED} show nothing new"
    );
    let probes = attached.iter().filter(|name| name.contains("ip_vs_conn_put"));
    ensure!(
        probes.count() == during.len(),
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
    while traced()? != before && clock::now() < deadline {
        clock::pass(Duration::from_millis(100));
    }
    nothing(&daemon, &before).context("after the drain")?;
    Ok(json!({"attached": attached, "traced": during}))
}

fn nothing(daemon: &Daemon<'_>, before: &BTreeSet<String>) -> Result<()> {
    let now = traced()?;
    ensure!(now == *before, "the kernel lists {:?}", now.difference(before));
    let attached = daemon.status()?.attached;
    ensure!(
        attached.is_empty(),
        "the daemon says that {attached:?} are attached"
    );
    Ok(())
}

/// The functions that anybody traces, by name: a kprobe at a function's beginning is in both lists.
pub(super) fn traced() -> Result<BTreeSet<String>> {
    let list = |path| fs::read_to_string(path).with_context(|| format!("cannot read {path}: mount debugfs"));
    let [kprobes, traced] = [list(KPROBES)?, list(TRACED)?];
    let probed = kprobes.lines().filter_map(|line| line.split_whitespace().nth(2));
    let entered = traced
        .lines()
        .filter(|line| !line.starts_with(char::is_whitespace))
        .filter_map(|line| line.split_whitespace().next());
    let name = |place: &str| place.split('+').next().unwrap_or_default().to_owned();
    Ok(probed.chain(entered).map(name).collect())
}
