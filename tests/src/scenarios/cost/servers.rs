//! `cost-servers`: what the daemon spends in a minute, and how much memory it takes, with 10,000 real servers in the
//! table: idle, with one drain, and where it looks for servers to adopt.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use super::figures::Figures;
use super::meter::Meter;
use super::packet::PORT;
use super::setting::{Setting, await_drain, drain};
use crate::clock;
use crate::daemon::Daemon;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cost-servers",
    about: "the daemon's CPU and memory with 10,000 real servers: idle, with one drain, looking for servers to adopt",
    programs: &[],
    observes: true,
    run,
};

pub(super) const SERVICES: u16 = 1000;
pub(super) const SERVERS: u16 = 10;
const MINUTE: Duration = Duration::from_mins(1);
/// Lets what a start or a change brought with it come to its end.
const SETTLE: Duration = Duration::from_secs(5);
const ADOPTING: &str = "[adopt]\nservices = [\"all\"]\n";

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let setting = Setting::of(&world, Protocol::Udp, PORT)?;
    let mut figures = Figures::of("servers");
    minutes(stage, &setting, "2 servers", &mut figures)?;
    let crowd = world.director().balance_crowd(SERVICES, SERVERS)?;
    let rows = world.director().table()?.len();
    ensure!(
        rows == crowd.len() + 2,
        "{rows} servers in the table, and {} were added",
        crowd.len()
    );
    minutes(stage, &setting, "10,000 servers", &mut figures)?;
    Ok(figures.told())
}

/// A daemon of its own beside this table.
fn minutes(stage: &mut Stage, setting: &Setting<'_>, table: &str, figures: &mut Figures) -> Result<()> {
    let mut step = |what: &str| stage.progress(json!({"step": format!("{table}: {what}")}));
    let world = setting.world;
    let mut daemon = Daemon::start(world, &[])?;
    let meter = Meter::of(daemon.pid())?;
    let mut minute = |meter: Meter, what: &str, figures: &mut Figures| -> Result<()> {
        clock::pass(SETTLE);
        let spent = meter.over(MINUTE)?;
        figures.note(format!("{table}, {what}"), "instructions a minute", spent);
        step(what);
        Ok(())
    };
    minute(meter, "idle", figures)?;
    meter.note_memory(figures, &format!("{table}, idle"))?;
    let (spent, status) = meter.during(|| daemon.status())?;
    figures.note(format!("{table}, one status"), "instructions", spent);
    let shown: usize = status.services.iter().map(|service| service.servers.len()).sum();
    let there = world.director().table()?.len();
    ensure!(
        shown == there,
        "{there} servers in the table, {shown} in the status"
    );
    meter.note_memory(figures, &format!("{table}, after a status"))?;

    let mut traffic = Traffic::new(world);
    traffic.receive_udp(PORT, Replies::Echo)?;
    setting.at_this(|| {
        let flow = UdpFlow {
            starts: Duration::ZERO,
            lasts: None,
            every: Duration::from_secs(1),
            source_port: None,
        };
        traffic.send_udp(PORT, Replies::Echo, [flow])?;
        clock::pass(SETTLE);
        Ok(())
    })?;
    drain(&daemon, setting.this, &[])?;
    minute(meter, "one drain", figures)?;
    meter.note_memory(figures, &format!("{table}, one drain"))?;
    let account = traffic.finish()?;
    let end = await_drain(&daemon, setting.this, |drain| drain.over)?;
    let lost = end.arrivals.map(|arrivals| arrivals.lost);
    ensure!(
        (account.lost(), lost) == (0, Some(0)) && world.director().row(setting.this)?.is_none(),
        "removed and nothing lost: {} lost by the ledger, {lost:?} by the daemon: {end:?}",
        account.lost()
    );
    super::setting::restore(&daemon, setting.this)?;

    daemon.stop()?;
    let config = daemon.folder().join("config.toml");
    fs::write(&config, ADOPTING).with_context(|| format!("cannot write {}", config.display()))?;
    let config = config.to_str().context("a folder's name is text")?;
    daemon.restart(&["--config", config])?;
    minute(
        Meter::of(daemon.pid())?,
        "idle, looking for servers to adopt",
        figures,
    )
}
