//! `package`: the Debian package on a system with dpkg and systemd. Installing it starts nothing; the unit's sandbox lets the
//! daemon do all that it is for; a drain outlives a restart and an upgrade; after a purge nothing is left.

mod installed;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use self::installed::Installed;
use super::nothing_attached::traced;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::system::System;
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "package",
    about: "the package starts nothing, its sandboxed unit drains, restarts and upgrades in mid-drain, a purge leaves nothing",
    programs: &[
        "ipvsdrain.deb",
        "systemd",
        "util-linux/nsenter",
        "dpkg",
        "tar/tar",
        "libc-bin/ldconfig",
        "libc-bin/getent",
        "coreutils/install",
        "passwd/userdel",
        "passwd/groupdel",
    ],
    observes: true,
    run,
};

/// Its clients stop; those of the other one never do.
const ENDS: u16 = 514;
const GOES_ON: u16 = 515;
const DRAINED: Server = Server(1);
const UNIT: &str = "ipvsdrain.service";
/// Debian's level is 3; at 2 the probe does without CAP_SYS_ADMIN.
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";
const PINS: &str = "/sys/fs/bpf/ipvsdrain";
/// The exposure that `systemd-analyze security` may see at most, of 10.
const EXPOSURE: f64 = 3.0;

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let mut places = Vec::new();
    for port in [ENDS, GOES_ON] {
        let addresses = world.servers().map(|(_, machine)| machine.address());
        let service =
            world
                .director()
                .balance(Protocol::Udp, port, "rr", Forwarding::DirectRoute, addresses)?;
        places.push(world.place(service, DRAINED, port));
    }
    let mut traffic = Traffic::new(&world);
    for port in [ENDS, GOES_ON] {
        traffic.receive_udp(port, Replies::Echo)?;
    }
    let flow = UdpFlow {
        starts: Duration::ZERO,
        lasts: None,
        every: Duration::from_millis(500),
        source_port: None,
    };
    traffic.send_udp(GOES_ON, Replies::Echo, [flow; 2])?;
    let before = traced()?;
    let paranoid = fs::read(PARANOID).with_context(|| format!("cannot read {PARANOID}"))?;

    let mut system = Installed::new(System::boot(world.director().machine())?, stage)?;
    system.step("a fresh system");
    let files = system.files()?;
    install(&mut system)?;
    let flow = UdpFlow {
        lasts: Some(Duration::from_secs(20)),
        ..flow
    };
    traffic.send_udp(ENDS, Replies::Echo, [flow; 2])?;
    drain(
        &mut system,
        &places[0].service.to_string(),
        &places[0].server.to_string(),
    )?;
    let number = begin(
        &mut system,
        &places[1].service.to_string(),
        &places[1].server.to_string(),
    )?;
    restarts(&mut system, number)?;
    system.step("the sandbox");
    let exposure = exposure(&mut system)?;
    remove(&mut system)?;
    fs::write(PARANOID, paranoid).with_context(|| format!("cannot write {PARANOID}"))?;

    system.step("what is left");
    let left: Vec<String> = system.files()?.difference(&files).cloned().collect();
    ensure!(left.is_empty(), "the purge left {left:?}");
    for name in ["ipvsdrain", "ipvsdrain-read"] {
        for list in ["passwd", "group"] {
            let found = system.told(&["getent", list, name])?;
            ensure!(
                found.code == Some(2),
                "the purge left the {list} entry {}",
                found.text
            );
        }
    }
    let attached = traced()?;
    ensure!(
        attached == before,
        "the purge left in the kernel {:?}",
        attached.difference(&before)
    );
    let shown = system.told(&["systemctl", "show", "--property=LoadState", UNIT])?;
    ensure!(
        shown.text.contains("not-found"),
        "systemd still knows the unit: {}",
        shown.text
    );
    let account = traffic.finish()?;
    ensure!(
        account.lost() == 0,
        "{} lost: {}",
        account.lost(),
        account.faults(5)
    );
    Ok(json!({"exposure": exposure, "told": system.told}))
}

fn install(system: &mut Installed<'_>) -> Result<()> {
    system.step("install");
    system.done(&["dpkg", "-i", "/ipvsdrain.deb"])?;
    for (question, answer) in [("is-active", "inactive"), ("is-enabled", "disabled")] {
        let said = system.told(&["systemctl", question, UNIT])?;
        ensure!(
            said.text.trim() == answer,
            "after the installation the unit is {}",
            said.text
        );
    }
    let groups = system.done(&["id", "ipvsdrain"])?;
    ensure!(
        groups.contains("(ipvsdrain)") && groups.contains("(ipvsdrain-read)"),
        "{groups}"
    );
    ensure!(
        !system.exists("/var/lib/ipvsdrain"),
        "a journal was made by the installation alone"
    );
    Ok(())
}

/// One whole drain by the daemon as it is installed.
fn drain(system: &mut Installed<'_>, service: &str, server: &str) -> Result<()> {
    system.step("start");
    system.done(&["systemctl", "start", UNIT])?;
    system.await_status("an answer", |_| true)?;
    system.done(&["systemctl", "status", UNIT])?;
    let user = system.done(&[
        "sh",
        "-c",
        "stat -c '%U %G %a %n' /run/ipvsdrain /run/ipvsdrain/* /var/lib/ipvsdrain",
    ])?;
    ensure!(!user.contains("root"), "the daemon runs as root: {user}");
    for door in [
        "ipvsdrain 660 /run/ipvsdrain/ipvsdrain.sock",
        "ipvsdrain-read 660 /run/ipvsdrain/ipvsdrain-read.sock",
    ] {
        ensure!(
            user.contains(&format!("ipvsdrain {door}")),
            "no socket is `{door}`: {user}"
        );
    }
    system.step("a drain");
    let end = system.done(&["ipvsdrain", "drain", service, server, "--wait", "--timeout=90"])?;
    ensure!(
        end.contains("proven empty") && end.contains("0 packets lost"),
        "{end}"
    );
    Ok(())
}

/// Begins a drain that has no end, and returns its number.
fn begin(system: &mut Installed<'_>, service: &str, server: &str) -> Result<u64> {
    system.step("a restart in mid-drain");
    system.done(&["ipvsdrain", "drain", service, server])?;
    let status = system.await_status("a live flow", |status| is_live(&unfinished(status)))?;
    system.done(&["ipvsdrain", "status"])?;
    let drain = unfinished(&status);
    ensure!(drain["rung"] == "probes", "flows are known by {}", drain["rung"]);
    drain["id"].as_u64().context("the drain has no number")
}

/// Restarts of every kind; the drain goes on each time.
fn restarts(system: &mut Installed<'_>, number: u64) -> Result<()> {
    let goes_on = |status: &Value| {
        let drain = unfinished(status);
        drain["id"] == number && is_live(&drain)
    };
    system.done(&["systemctl", "restart", UNIT])?;
    system.await_status("the drain after a restart", goes_on)?;
    system.await_log(UNIT, "its watch goes on")?;
    system.done(&["ipvsdrain", "status"])?;

    system.step("a reload");
    system.done(&["systemctl", "reload", UNIT])?;
    system.await_log(UNIT, "configuration reloaded")?;
    system.await_status("the drain after a reload", goes_on)?;

    system.step("a restart in mid-drain, without CAP_SYS_ADMIN");
    system.done(&["sh", "-c", &format!("echo 2 > {PARANOID}")])?;
    let folder = format!("/etc/systemd/system/{UNIT}.d");
    system.done(&["mkdir", "-p", &folder])?;
    let example = "/usr/share/doc/ipvsdrain/examples/fewer-rights.conf";
    system.done(&["cp", example, &folder])?;
    system.done(&["systemctl", "daemon-reload"])?;
    system.done(&["systemctl", "restart", UNIT])?;
    system.await_status("the drain without CAP_SYS_ADMIN", |status| {
        goes_on(status) && unfinished(status)["rung"] == "probes"
    })?;
    system.done(&["ipvsdrain", "status"])?;

    system.step("an upgrade in mid-drain");
    let process = ["systemctl", "show", "--property=MainPID", UNIT];
    let old = system.done(&process)?;
    system.done(&["dpkg", "-i", "/ipvsdrain.deb"])?;
    let new = system.done(&process)?;
    ensure!(old != new, "the upgrade did not restart the daemon: {old}");
    system.await_status("the drain after an upgrade", goes_on)?;
    Ok(())
}

fn exposure(system: &mut Installed<'_>) -> Result<Value> {
    let mut found = Vec::new();
    for drop_in in [true, false] {
        if !drop_in {
            system.done(&[
                "rm",
                "-r",
                &format!("/etc/systemd/system/{UNIT}.d/fewer-rights.conf"),
            ])?;
            system.done(&["systemctl", "daemon-reload"])?;
        }
        let told = system.done(&["systemd-analyze", "security", "--no-pager", UNIT])?;
        let line = told.lines().last().unwrap_or_default();
        let level = line.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        found.push(level.with_context(|| format!("no exposure in `{line}`"))?);
    }
    ensure!(found[1] <= EXPOSURE, "the unit's exposure is {}", found[1]);
    Ok(json!({"with_fewer_rights": found[0], "as_shipped": found[1]}))
}

fn remove(system: &mut Installed<'_>) -> Result<()> {
    system.step("stop");
    system.done(&["systemctl", "stop", UNIT])?;
    let said = system.told(&["systemctl", "is-active", UNIT])?;
    ensure!(
        said.text.trim() == "inactive",
        "after a stop the unit is {}",
        said.text
    );
    system.step("removal in mid-drain");
    system.done(&["systemctl", "start", UNIT])?;
    system.await_status("the drain after a stop", |status| is_live(&unfinished(status)))?;
    let removal = system.done(&["dpkg", "-r", "ipvsdrain"])?;
    ensure!(removal.contains("1 drains are not over"), "{removal}");
    ensure!(!system.exists(PINS), "the removal left {PINS}");
    system.step("purge");
    system.done(&["dpkg", "-P", "ipvsdrain"]).map(drop)
}

/// The drain that is not over; null if there is none.
fn unfinished(status: &Value) -> Value {
    let mut drains = status["drains"].as_array().into_iter().flatten();
    drains
        .rfind(|drain| drain["over"] == false)
        .cloned()
        .unwrap_or_default()
}

fn is_live(drain: &Value) -> bool {
    drain["live"]["udp"].as_u64().is_some_and(|flows| flows > 0)
}
