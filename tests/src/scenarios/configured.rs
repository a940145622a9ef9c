//! `configured`: what the configuration file says is what the daemon does: who may act and who may look, drains asked for by
//! a file, hooks, a reload that is all or nothing, log lines for programs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock;
use crate::daemon::{ClientEnd, Daemon};
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, Place, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "configured",
    about: "the configuration decides who may act and look, which files ask for drains, who is told, and is reloaded whole",
    programs: &[],
    observes: false,
    run,
};

/// One host in two services.
const TABLE: &str = "\
-A -u 10.0.0.1:53 -s wrr
-a -u 10.0.0.1:53 -r 10.1.0.5:53 -g -w 7
-a -u 10.0.0.1:53 -r 10.1.0.6:53 -g -w 8
-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 10.1.0.5:80 -m -w 3
-a -t 10.0.0.1:80 -r 10.1.0.6:80 -m -w 3
";
const OPERATORS: u32 = 4001;
const WATCHERS: u32 = 4002;
const SOMEBODY: u32 = 1000;
const LIMIT: Duration = Duration::from_mins(1);

fn run(_stage: &mut Stage) -> Result<Value> {
    let groups = fs::read_to_string("/etc/group").context("cannot read /etc/group")?;
    let more = format!("{groups}operators:x:{OPERATORS}:\nwatchers:x:{WATCHERS}:\n");
    fs::write("/etc/group", more).context("cannot write /etc/group")?;
    let judged = judged();
    fs::write("/etc/group", groups).context("cannot put /etc/group back")?;
    judged
}

fn judged() -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    world.director().restore(TABLE)?;
    let before = world.director().saved()?;
    let folder = TempDir::new()?;
    let markers = folder.path().join("maintenance");
    fs::create_dir(&markers)?;
    let config = folder.path().join("config.toml");
    fs::write(&config, text(folder.path(), 1))?;
    let daemon = Daemon::start(&world, &["--config", &config.display().to_string()])?;
    fs::set_permissions(daemon.folder(), Permissions::from_mode(0o755))?;

    let rights = rights(&world, &daemon)?;
    marked(&world, &daemon, &markers, &before)?;
    let told = told(folder.path())?;
    reloaded(&daemon, &config, folder.path())?;
    for line in daemon.log().lines() {
        serde_json::from_str::<Value>(line).with_context(|| format!("a log line is no JSON: {line}"))?;
    }
    Ok(json!({"rights": rights, "hook told": told}))
}

fn text(folder: &Path, quiet: u32) -> String {
    let shown = folder.display();
    format!(
        "[daemon]\nlog = \"json\"\ngroup = \"operators\"\nread_group = \"watchers\"\n\
         [policy]\nudp_quiet_secs = {quiet}\ntcp_quiet_secs = {quiet}\nclosing_quiet_secs = {quiet}\n\
         [maintenance]\nfolder = \"{shown}/maintenance\"\n\
         [[hook]]\non = [\"removed\", \"restored\"]\n\
         run = [\"/bin/sh\", \"-c\", \"read -r line; printf '%s\\n' \\\"$line\\\" >> {shown}/told\"]\n"
    )
}

fn place(service: &str, server: &str) -> Result<Place> {
    Ok(Place {
        service: service.parse()?,
        server: server.parse()?,
    })
}

/// Who is refused what, in the words that are said.
fn rights(world: &World, daemon: &Daemon<'_>) -> Result<Value> {
    let dns = place("udp:10.0.0.1:53", "10.1.0.5:53")?;
    let (service, server) = (dns.service.to_string(), dns.server.to_string());
    let drain = ["drain", &service, &server];
    let refused = |end: &ClientEnd, words: &str| {
        ensure!(
            end.code == Some(1) && end.said.contains(words),
            "expected exit code 1 and `{words}`: {end:?}"
        );
        Ok(())
    };
    let stranger = daemon.ask_as(SOMEBODY, SOMEBODY, &["status"])?;
    refused(&stranger, "group operators")?;
    let watcher = daemon.ask_as(SOMEBODY, WATCHERS, &["status"])?;
    ensure!(
        watcher.code == Some(0) && watcher.said.contains("10.1.0.5:53"),
        "a watcher sees: {watcher:?}"
    );
    let watcher = daemon.ask_as(SOMEBODY, WATCHERS, &drain)?;
    refused(&watcher, "look and not act")?;
    let weight = world.director().row(dns)?.map(|row| row.weight);
    ensure!(
        weight == Some(7) && daemon.status()?.drains.is_empty(),
        "a watcher changed something: {weight:?}"
    );
    let operator = daemon.ask_as(SOMEBODY, OPERATORS, &drain)?;
    ensure!(operator.code == Some(0), "an operator may drain: {operator:?}");
    let operator = daemon.ask_as(SOMEBODY, OPERATORS, &["restore", &service, &server])?;
    ensure!(operator.code == Some(0), "an operator may restore: {operator:?}");
    Ok(json!({"stranger": stranger.said.trim(), "watcher": watcher.said.trim()}))
}

/// A file takes the host out of both services, and brings it back to the letter.
fn marked(world: &World, daemon: &Daemon<'_>, markers: &Path, before: &str) -> Result<()> {
    let marker = markers.join("10.1.0.5");
    fs::write(&marker, "new disk\n")?;
    await_table(world, daemon, "without the host", |table| {
        !table.contains("10.1.0.5")
    })?;
    let drains = daemon.status()?.drains;
    ensure!(
        drains.len() == 2 && drains.iter().all(|drain| drain.why == "new disk"),
        "the drains do not say what the file says: {drains:?}"
    );
    fs::remove_file(&marker)?;
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    await_table(world, daemon, "as before", |table| {
        sorted(table) == sorted(before)
    })
}

fn await_table(world: &World, daemon: &Daemon<'_>, what: &str, is_so: impl Fn(&str) -> bool) -> Result<()> {
    let deadline = clock::now() + LIMIT;
    loop {
        let table = world.director().saved()?;
        if is_so(&table) {
            return Ok(());
        }
        ensure!(
            clock::now() < deadline,
            "the table is not {what}: {table}\n{}",
            daemon.log()
        );
        clock::pass(Duration::from_millis(200));
    }
}

/// What the hook wrote down: both services, removed and restored.
fn told(folder: &Path) -> Result<usize> {
    let deadline = clock::now() + LIMIT;
    loop {
        let text = fs::read_to_string(folder.join("told")).unwrap_or_default();
        let news = text
            .lines()
            .map(serde_json::from_str::<Value>)
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("a hook was told what is no JSON: {text}"))?;
        let of = |to: &str, service: &str| {
            news.iter()
                .any(|news| news["to"] == to && news["service"] == service)
        };
        let all = ["udp:10.0.0.1:53", "tcp:10.0.0.1:80"]
            .iter()
            .all(|service| of("removed", service) && of("restored", service));
        if all {
            return Ok(news.len());
        }
        ensure!(clock::now() < deadline, "the hook was told {text}");
        clock::pass(Duration::from_millis(200));
    }
}

/// A file that is refused changes nothing; one that is taken counts for the next drain.
fn reloaded(daemon: &Daemon<'_>, config: &Path, folder: &Path) -> Result<()> {
    let dns = place("udp:10.0.0.1:53", "10.1.0.5:53")?;
    let (service, server) = (dns.service.to_string(), dns.server.to_string());
    let quiet = || -> Result<u32> {
        // What the last removal left behind is flushed and counted first.
        let deadline = clock::now() + LIMIT;
        while !daemon.drain(dns)?.over {
            ensure!(
                clock::now() < deadline,
                "the last drain does not end: {}",
                daemon.log()
            );
            clock::pass(Duration::from_millis(200));
        }
        let begun = daemon.ask_as(0, 0, &["drain", &service, &server])?;
        ensure!(begun.code == Some(0), "{begun:?}");
        let found = daemon.drain(dns)?.policy.udp_quiet_secs;
        daemon.restore(dns)?;
        Ok(found)
    };
    for (text, said, expected) in [
        (
            format!("{}udp_qiet = 1\n", text(folder, 9)),
            "configuration not reloaded, nothing has changed",
            1,
        ),
        (text(folder, 2), "configuration reloaded", 2),
    ] {
        // Replaced as editors do it: never half a file.
        let aside = folder.join("new.toml");
        fs::write(&aside, text)?;
        fs::rename(&aside, config)?;
        kill(daemon.pid(), Signal::SIGHUP).context("cannot send SIGHUP")?;
        let deadline = clock::now() + LIMIT;
        while !daemon.log().contains(said) {
            ensure!(
                clock::now() < deadline,
                "the log does not say `{said}`: {}",
                daemon.log()
            );
            clock::pass(Duration::from_millis(100));
        }
        let found = quiet()?;
        ensure!(
            found == expected,
            "after `{said}` a drain has udp_quiet_secs = {found}, expected {expected}"
        );
    }
    Ok(())
}
