//! `cost-start`: what the daemon spends from its exec until its socket answers: beside an empty table and a full one,
//! with many past drains in its journal, and where it takes up what an earlier daemon counts.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use super::figures::Figures;
use super::meter::Meter;
use super::packet::{PORT, datagram};
use super::past;
use super::servers::{SERVERS, SERVICES};
use super::setting::{Setting, all_counted, await_drain, drain};
use crate::clock;
use crate::daemon::Daemon;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cost-start",
    about: "instructions from the daemon's exec until its socket answers: tables, journals and pinned maps",
    programs: &[],
    observes: true,
    run,
};

const PAST: usize = 1000;
const PACKETS: u32 = 100;

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let mut bench = Bench {
        // Once before it counts, for the kernel makes some of its files when they are first read.
        daemon: Daemon::start(&world, &[])?,
        stage,
        figures: Figures::of("start"),
    };
    bench.start("nothing in the table")?;

    // A real drain, for the past.
    let few = world.director().balance_crowd(1, 2)?;
    drain(&bench.daemon, few[0], &[])?;
    await_drain(&bench.daemon, few[0], |drain| drain.over)?;
    bench.daemon.stop()?;
    let drain_that_was = past::last(&bench.state())?;
    world.director().restore("-C\n")?;
    let crowd = world.director().balance_crowd(SERVICES, SERVERS)?;
    bench.forget()?;
    bench.start("10,000 servers in the table")?;

    bench.daemon.stop()?;
    past::fill(
        &bench.state(),
        &drain_that_was,
        &crowd[..PAST],
        &drain_that_was.boot_id,
    )?;
    bench.start("the same, and 1,000 past drains")?;
    ensure!(
        bench.daemon.status()?.drains.len() == PAST,
        "the status shows all past drains"
    );
    bench.daemon.stop()?;
    bench.forget()?;
    past::fill(&bench.state(), &drain_that_was, &crowd[..PAST], "an earlier boot")?;
    bench.start("the same, and these are of an earlier boot")?;
    bench.daemon.stop()?;
    bench.forget()?;

    let setting = Setting::of(&world, Protocol::Udp, PORT)?;
    bench.daemon.restart(&[])?;
    let mut packet = setting.at_this(|| {
        let mut packet = datagram(&world)?;
        packet()?;
        Ok(packet)
    })?;
    drain(&bench.daemon, setting.this, &["--udp-quiet", "60s"])?;
    for _ in 0..PACKETS / 2 {
        packet()?;
    }
    bench.daemon.kill()?;
    for _ in 0..PACKETS / 2 {
        packet()?;
    }
    bench.start("10,000 servers in the table, pinned maps to take up")?;
    let sent = u64::from(PACKETS);
    let seen = await_drain(&bench.daemon, setting.this, |drain| drain.forwarded.is_some())?;
    all_counted(&seen, sent)?;
    Ok(bench.figures.told())
}

/// One daemon, started again and again.
struct Bench<'world, 'stage> {
    daemon: Daemon<'world>,
    stage: &'stage mut Stage,
    figures: Figures,
}

impl Bench<'_, '_> {
    /// Starts it anew and notes what that took.
    fn start(&mut self, with: &str) -> Result<()> {
        self.daemon.stop_if_running()?;
        let began = clock::now();
        self.daemon.restart(&[])?;
        let elapsed = clock::now().since(began);
        let spent = Meter::of(self.daemon.pid())?.spent()?;
        self.figures.note(with, "instructions", spent);
        self.figures
            .note(with, "ms of the guest's time", elapsed.as_secs_f64() * 1e3);
        self.stage.progress(json!({"step": with}));
        Ok(())
    }

    fn state(&self) -> PathBuf {
        self.daemon.folder().join("state")
    }

    /// Begins with an empty journal.
    fn forget(&self) -> Result<()> {
        let state = self.state();
        fs::remove_dir_all(&state)
            .and_then(|()| fs::create_dir(&state))
            .with_context(|| format!("cannot empty {}", state.display()))
    }
}
