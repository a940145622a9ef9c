//! `cost-decision`: how long after a command, and after the end of the last flow's window, the kernel's table shows what
//! was decided; and what a decision takes.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ipvsdrain::identity::Protocol;
use ipvsdrain::moment::Moment;
use serde_json::{Value, json};

use super::figures::Figures;
use super::packet::{PORT, datagram};
use super::setting::{Setting, all_counted, restore};
use super::steps;
use crate::clock;
use crate::daemon::Daemon;
use crate::process;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, Place, World, read_table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cost-decision",
    about: "from a command to weight 0, from the end of the last window to the removal, by the kernel's own table",
    programs: &[],
    observes: true,
    run,
};

const ROUNDS: u32 = 10;
/// The built-in `udp_quiet`.
const WINDOW: Duration = Duration::from_secs(10);
const PACKETS: u32 = 20;
const EVERY: Duration = Duration::from_millis(100);
/// The rounds' last packets come at different parts of the half second after which the daemon looks again.
const SHIFT: Duration = Duration::from_millis(137);
const LOOK: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_mins(1);

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let setting = Setting::of(&world, Protocol::Udp, PORT)?;
    let daemon = Daemon::start(&world, &[])?;
    let mut quiesced = Vec::new();
    let mut removed = Vec::new();
    for round in 0..ROUNDS {
        stage.progress(json!({"step": format!("drain {} of {ROUNDS}", round + 1)}));
        let [to_zero, to_removal] = one(&setting, &daemon, SHIFT * round)?;
        quiesced.push(to_zero);
        removed.push(to_removal);
    }
    let mut figures = Figures::of("decision");
    note(&mut figures, "from `ipvsdrain drain` to weight 0", quiesced);
    figures.note(
        "of which a command that asks nobody (`ipvsdrain --version`)",
        "ms",
        millis(version()?),
    );
    note(
        &mut figures,
        "from the end of the last window to the removal",
        removed,
    );
    steps::measure(&mut figures)?;
    Ok(figures.told())
}

/// One drain: from the command to weight 0, and from the end of the last packet's window to the removal.
fn one(setting: &Setting<'_>, daemon: &Daemon, shift: Duration) -> Result<[Duration; 2]> {
    let mut packet = setting.at_this(|| {
        let mut packet = datagram(setting.world)?;
        packet()?;
        Ok(packet)
    })?;
    let asked = clock::now();
    let pending = daemon.begin_drain(setting.this, &[])?;
    let quiesced = await_table(setting.world, setting.this, |weight| weight == Some(0))?;
    // Only now, for the daemon's half seconds count from its last long work, which the command just was.
    clock::pass(shift);
    let mut last = clock::now();
    for _ in 0..PACKETS {
        packet()?;
        last = clock::now();
        clock::pass(EVERY);
    }
    let gone = await_table(setting.world, setting.this, |weight| weight.is_none())?;
    ensure!(
        gone >= last + WINDOW,
        "removed {:?} after the last packet, within its window",
        gone.since(last)
    );
    let end = pending.finish(LIMIT)?;
    all_counted(&end.drain, u64::from(PACKETS))?;
    restore(daemon, setting.this)?;
    Ok([quiesced.since(asked), gone.since(last + WINDOW)])
}

/// When the table first showed this server's weight, or its absence, as wanted.
fn await_table(
    world: &World,
    place: Place,
    wanted: impl Fn(Option<i32>) -> bool + Send + Sync,
) -> Result<Moment> {
    world.director().machine().within(|| {
        let deadline = clock::now() + LIMIT;
        while clock::now() < deadline {
            let text =
                std::fs::read_to_string("/proc/thread-self/net/ip_vs").context("cannot read the table")?;
            let now = clock::now();
            let row = read_table(&text).into_iter().find(|row| row.place == place);
            if wanted(row.map(|row| row.weight)) {
                return Ok(now);
            }
            clock::pass(LOOK);
        }
        bail!("the table does not show within {LIMIT:?} what is awaited of {place}")
    })
}

/// What starting a command takes by itself.
fn version() -> Result<Duration> {
    let began = clock::now();
    process::run(Command::new("ipvsdrain").arg("--version"), "")?;
    Ok(clock::now().since(began))
}

fn note(figures: &mut Figures, what: &str, mut spans: Vec<Duration>) {
    spans.sort();
    let places = [
        ("least", 0),
        ("median", spans.len() / 2),
        ("most", spans.len() - 1),
    ];
    for (word, place) in places {
        figures.note(
            format!("{what}, {word} of {}", spans.len()),
            "ms",
            millis(spans[place]),
        );
    }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
