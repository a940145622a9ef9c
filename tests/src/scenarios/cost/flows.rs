//! `cost-flows`: what a step of the whole daemon takes while a server with many live flows is drained, and what its
//! memory is; beside the same with 1,000.
//!
//! 100,000 flows unless the option `flows` says otherwise; a million need `--memory 2048`. All flows begin before the drain, as they do; then each sends once more.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use super::figures::Figures;
use super::meter::Meter;
use super::packet::PORT;
use super::setting::{Setting, all_counted};
use crate::clock;
use crate::daemon::{Daemon, PendingDrain};
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Flood, MOST_FLOWS};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cost-flows",
    about: "the daemon's CPU per step and its memory while a server with 100,000 flows is drained",
    programs: &[],
    observes: true,
    run,
};

const FLOWS: u32 = 100_000;
const FEW: u32 = 1_000;
/// Longer than both floods and what is measured between and after them.
const QUIET: &str = "240s";
const SAMPLE: Duration = Duration::from_secs(5);
/// The daemon steps twice a second.
const STEPS: f64 = 10.0;
/// The minute in which the daemon sweeps over all flows once.
const SAMPLES: usize = 12;
const LIMIT: Duration = Duration::from_mins(30);

fn run(stage: &mut Stage) -> Result<Value> {
    let flows = wanted(stage.options())?;
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let setting = Setting::of(&world, Protocol::Udp, PORT)?;
    let mut flood = Flood::open(&world, PORT)?;
    setting.at_this(|| send(stage, &mut flood, 0..flows / FEW))?;
    ensure!(
        flood.received(Server(1)) == u64::from(flows),
        "not all flows are those of {}",
        setting.this
    );

    let mut figures = Figures::of("flows");
    let capacity = (flows + flows / 10).to_string();
    let daemon = Daemon::start(&world, &["--flow-capacity", &capacity])?;
    let meter = Meter::of(daemon.pid())?;
    let pending = daemon.begin_drain(setting.this, &["--udp-quiet", QUIET])?;
    clock::pass(SAMPLE);
    figures.note(
        "start, and the drain's first steps",
        "instructions",
        meter.spent()?,
    );
    send(stage, &mut flood, 0..1)?;
    steps(meter, 5, "1,000 live flows", &mut figures)?;
    meter.note_memory(&mut figures, "1,000 live flows")?;

    let before = meter.spent()?;
    send(stage, &mut flood, 1..flows / FEW)?;
    figures.note(
        "while the other flows send",
        "instructions",
        meter.spent()? - before,
    );
    clock::pass(Duration::from_secs(1));
    let seen = daemon.drain(setting.this)?;
    let live = seen.live.map(|live| live.udp);
    ensure!(
        live == Some(u64::from(flows)),
        "{flows} flows are live, and the daemon sees {live:?}"
    );
    all_counted(&seen, u64::from(flows))?;
    let sweep = steps(meter, SAMPLES, "all flows live", &mut figures)?;
    figures.note(
        "the sweep once a minute, for each of them",
        "instructions",
        sweep / f64::from(flows),
    );
    meter.note_memory(&mut figures, "all flows live")?;
    stage.progress(json!({"step": "measured; the drain goes on to its end"}));
    removed(pending, &setting, &flood, flows)?;
    meter.note_memory(&mut figures, "after the removal")?;
    Ok(figures.told())
}

/// How many flows are asked for, in whole thousands.
fn wanted(options: &Value) -> Result<u32> {
    let asked = options["flows"].as_u64().unwrap_or(u64::from(FLOWS));
    let asked = u32::try_from(asked).context("the option `flows` is too large")?;
    ensure!(
        asked.is_multiple_of(FEW) && (2 * FEW..=MOST_FLOWS).contains(&asked),
        "the option `flows` is {asked}: whole thousands from {} to {MOST_FLOWS} can be had",
        2 * FEW
    );
    Ok(asked)
}

/// One datagram of each flow of these thousands.
fn send(stage: &mut Stage, flood: &mut Flood, thousands: std::ops::Range<u32>) -> Result<()> {
    for thousand in thousands {
        flood.send(thousand * FEW..(thousand + 1) * FEW)?;
        if thousand % 100 == 99 {
            stage.progress(json!({"step": format!("{} datagrams sent", flood.sent())}));
        }
    }
    Ok(())
}

/// What a step takes, by the median of the samples. Returns what all took beyond that: in a minute it is the sweep.
fn steps(meter: Meter, samples: usize, when: &str, figures: &mut Figures) -> Result<f64> {
    let mut spent = (0..samples)
        .map(|_| meter.over(SAMPLE))
        .collect::<Result<Vec<_>>>()?;
    spent.sort_by(f64::total_cmp);
    let median = spent[samples / 2];
    figures.note(format!("one step, {when}"), "instructions", median / STEPS);
    // A sweep may begin in one sample and end in the next.
    Ok(spent.iter().map(|spent| spent - median).sum())
}

/// The drain ends by itself once all are silent, and costs nothing.
fn removed(pending: PendingDrain, setting: &Setting<'_>, flood: &Flood, flows: u32) -> Result<()> {
    let end = pending.finish(LIMIT)?;
    ensure!(
        end.code == Some(0),
        "the drain ended with {:?}: {:?}",
        end.code,
        end.drain
    );
    all_counted(&end.drain, u64::from(flows))?;
    ensure!(
        flood.received(Server(1)) == flood.sent() && setting.world.director().row(setting.this)?.is_none(),
        "every datagram reached {}, which is gone from the table now",
        setting.this
    );
    Ok(())
}
