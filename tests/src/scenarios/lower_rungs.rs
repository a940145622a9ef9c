//! `lower-rungs`: where the kernel bears no probe, a drain goes by the kernel's table and what arrives, or by the kernel's
//! counters alone. It names its rung and why, waits for the last datagram and for its whole window, and loses nothing.
//!
//! On kernels that bear the probe, type information with a member renamed stands for one that does not.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::doctored::{MODULE_BTF, renamed};
use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "lower-rungs",
    about: "without the probe a drain goes by arrivals, or by the kernel's counters, and loses nothing",
    programs: &[],
    observes: false,
    run,
};

const PORT: u16 = 5300;
const DRAINED: Server = Server(1);
const FLOWS: u32 = 6;
/// One flow ends after the other; the last one here.
const LAST_ENDS: Duration = Duration::from_secs(30);
const EVERY: Duration = Duration::from_millis(200);
const BEFORE: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_mins(2);
/// The daemon's own default.
const QUIET: Duration = Duration::from_secs(10);
/// The kernel's counter is 5 s late at most, each witness adds as much on the lowest rung, and the daemon looks once a
/// second.
const SLOWEST: Duration = Duration::from_secs(14);

fn run(stage: &mut Stage) -> Result<Value> {
    let folder = TempDir::new().context("cannot make a folder for type information")?;
    let mut options = Vec::new();
    if Path::new(MODULE_BTF).exists() {
        let path = folder.path().join("btf");
        let (btf, _) = renamed(&fs::read(MODULE_BTF)?)?;
        fs::write(&path, btf).with_context(|| format!("cannot write {}", path.display()))?;
        options.extend(["--module-btf".to_owned(), path.display().to_string()]);
    }
    let mut told = Vec::new();
    for (rung, arrivals) in [("arrivals", "auto"), ("counters", "off")] {
        for forwarding in [Forwarding::DirectRoute, Forwarding::Masquerade] {
            stage.progress(json!({"rung": rung, "forwarding": format!("{forwarding:?}")}));
            let more = ["--arrivals".to_owned(), arrivals.to_owned()];
            let options: Vec<&str> = options.iter().chain(&more).map(String::as_str).collect();
            told.push(
                one(forwarding, rung, &options).with_context(|| format!("{rung}, under {forwarding:?}"))?,
            );
        }
    }
    Ok(json!(told))
}

fn one(forwarding: Forwarding, rung: &str, options: &[&str]) -> Result<Value> {
    let world = World::build(forwarding, 2)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", forwarding, addresses)?;
    let place = world.place(service, DRAINED, PORT);
    let daemon = Daemon::start(&world, options)?;
    let mut traffic = Traffic::new(&world);
    traffic.receive_udp(PORT, Replies::Echo)?;
    let flows = (1..=FLOWS).map(|number| UdpFlow {
        starts: Duration::ZERO,
        lasts: Some(LAST_ENDS * number / FLOWS),
        every: EVERY,
        source_port: None,
    });
    traffic.send_udp(PORT, Replies::Echo, flows.collect::<Vec<_>>())?;
    clock::pass(BEFORE);
    let drain = daemon.begin_drain(place, &[])?;
    clock::pass(Duration::from_secs(2));
    let during = daemon.drain(place)?;
    let end = drain.finish(LIMIT)?;
    let gone_at = clock::now();
    let account = traffic.finish()?;

    ensure!(
        end.code == Some(0),
        "the drain ended with {:?}: {:?}",
        end.code,
        end.drain
    );
    let (named, why) = (
        during.rung.map(|rung| format!("{rung:?}").to_lowercase()),
        during.rung_cause.clone(),
    );
    ensure!(
        named.as_deref() == Some(rung),
        "it names {named:?}, not {rung}: {during:?}"
    );
    ensure!(why.is_some(), "it does not say why: {during:?}");
    let countable = rung != "counters";
    ensure!(
        during.live.is_some() == countable,
        "live flows are shown as {:?} on the rung of {rung}",
        during.live
    );
    if let Some(live) = during.live {
        let ledger = account.flows_of(DRAINED).count() as u64;
        ensure!(
            live.udp == ledger,
            "{} live flows, by the ledger {ledger}",
            live.udp
        );
    }
    ensure!(
        world.director().row(place)?.is_none(),
        "{place} is still in the table"
    );
    ensure!(
        account.lost() == 0,
        "{} datagrams lost: {}",
        account.lost(),
        account.faults(5)
    );
    let last = account.last_receipt(DRAINED).context("server1 got nothing")?;
    let waited = gone_at.since(last);
    ensure!(
        (QUIET..QUIET + SLOWEST).contains(&waited),
        "the server went {:.1} s after its last datagram",
        waited.as_secs_f64()
    );
    let verdict = end.drain.verdict.unwrap_or_default();
    ensure!(
        !verdict.contains("0 packets lost"),
        "nobody counted, and it says: {verdict}"
    );
    Ok(json!({
        "rung": rung,
        "why": why,
        "sent": account.sent(),
        "lost": account.lost(),
        "seconds_from_last_datagram": waited.as_secs_f64(),
        "verdict": verdict,
    }))
}
