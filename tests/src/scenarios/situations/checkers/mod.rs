//! Another program runs the service and sets a server to weight 0 when its check fails: keepalived with
//! `inhibit_on_failure`, ldirectord with `quiescent=yes`. The daemon adopts the server, drains it, keeps it, and yields
//! without a fight when the program gives it its weight again.
//!
//! Owns the rows. How the programs are configured is in [`crate::peers`].

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::judged::End;
use super::row::Row;
use super::setting::{Case, DRAINED, PORT, Setting};
use super::traffic::LAST;
use crate::clock;
use crate::peers::{Look, Peer, Running, Task, Wells};
use crate::traffic::Replies;

const ADOPTS: &str = "[adopt]\nservices = [\"udp:10.0.0.1:5300\"]\nthen = \"keep\"\n";
const WEIGHT: i32 = 5;
/// Two checks of each program, and more.
const SETTLING: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_mins(1);

pub(super) fn rows() -> Vec<Row> {
    let setting = Setting {
        service: None,
        ..Setting::udp()
    };
    let adopting = setting.clone().with_config(ADOPTS);
    vec![
        Row::new("keepalived-alone", setting.clone(), |case| {
            alone(case, Peer::KeepalivedInhibit)
        }),
        Row::new("keepalived-adopted", adopting.clone(), |case| {
            adopted(case, Peer::KeepalivedInhibit)
        }),
        Row::new("ldirectord-alone", setting, |case| {
            alone(case, Peer::LdirectordQuiescent)
        }),
        Row::new("ldirectord-adopted", adopting, |case| {
            adopted(case, Peer::LdirectordQuiescent)
        }),
    ]
}

/// Without a configuration that adopts, what the program does is left to it.
fn alone(case: &mut Case<'_>, peer: Peer) -> Result<()> {
    let checker = Checker::start(case, peer)?;
    case.send_udp(LAST, Replies::Echo)?;
    checker.fail(case)?;
    await_weight(case, 0)?;
    clock::pass(Duration::from_secs(20));
    checker.recover(case)?;
    await_weight(case, WEIGHT)?;
    case.facts.add("weights", "5 0 5", weights(case));
    case.judge(None, End::REFUSED.unwaited().weight(Some(WEIGHT)))
}

fn adopted(case: &mut Case<'_>, peer: Peer) -> Result<()> {
    let checker = Checker::start(case, peer)?;
    case.send_udp(LAST, Replies::Echo)?;
    checker.fail(case)?;
    await_weight(case, 0)?;
    let view = case.await_drain("drained", |view| view.state.word() == "drained");
    let shown = case.daemon.drain_as_json(case.place).unwrap_or_default();
    case.facts.says("reason", "adopted", shown["reason"].as_str());
    let state = view.map_or_else(|error| format!("{error:#}"), |view| view.state.to_string());
    case.facts.says("came to", "drained", Some(&state));
    clock::pass(Duration::from_secs(20));
    case.facts.add("kept at", 0, case.weight(case.place)?);
    checker.recover(case)?;
    await_weight(case, WEIGHT)?;
    clock::pass(Duration::from_secs(20));
    case.facts.add("weights", "5 0 5", weights(case));
    let end = End::REMOVED.unwaited().state("yielded").weight(Some(WEIGHT));
    case.judge(None, end)
}

/// Since the program had made the service.
fn weights(case: &Case<'_>) -> String {
    case.witness.weights_since(case.place, case.since)
}

/// Waits until the witness has seen it: it is the one that is asked in the end, and may look later than others.
fn await_weight(case: &Case<'_>, weight: i32) -> Result<()> {
    let deadline = clock::now() + LIMIT;
    while case.witness.newest(case.place) != Some(weight) {
        ensure!(
            clock::now() < deadline,
            "nobody set the weight of server1 to {weight} within {LIMIT:?}"
        );
        clock::pass(Duration::from_millis(200));
    }
    Ok(())
}

/// A running program that checks servers.
#[derive(Debug)]
struct Checker {
    wells: Wells,
    running: Running,
}

impl Checker {
    /// Starts it and waits until it has made the service.
    fn start(case: &mut Case<'_>, peer: Peer) -> Result<Self> {
        let wells = Wells::new(case.world)?;
        let task = Task {
            weight: WEIGHT.unsigned_abs(),
            every: 2,
            ..Task::udp(PORT, Look::Wells)
        };
        let running = Running::start(peer, &task, case.world, &wells)?;
        let checker = Self { wells, running };
        await_weight(case, WEIGHT).with_context(|| checker.running.log())?;
        // ldirectord takes its servers to be unwell until it has checked them.
        clock::pass(SETTLING);
        await_weight(case, WEIGHT).with_context(|| checker.running.log())?;
        case.remember()?;
        Ok(checker)
    }

    fn fail(&self, case: &Case<'_>) -> Result<()> {
        self.wells.set(case.world.server(DRAINED), false)
    }

    fn recover(&self, case: &Case<'_>) -> Result<()> {
        self.wells.set(case.world.server(DRAINED), true)
    }
}
