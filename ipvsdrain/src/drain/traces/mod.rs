//! Random traces of traffic, findings, other hands, faults and time against a small model of the kernel: what must hold
//! whatever happens.
//!
//! `cargo test -p ipvsdrain traces` runs 50 000 of each kind; `TRACES=250000` before it makes that more than a million in all.

mod event;
mod failing;
mod failing_event;
mod failing_judge;
mod model;
mod run;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};

use event::{Event, Kind};
use run::Run;

fn cases() -> u32 {
    let asked = std::env::var("TRACES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(50_000)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: cases(),
        failure_persistence: Some(Box::new(FileFailurePersistence::SourceParallel(
            "proptest-regressions",
        ))),
        source_file: Some(file!()),
        ..ProptestConfig::default()
    }
}

fn all_hold(kind: Kind) {
    let traces = (
        event::policy(kind),
        proptest::collection::vec(event::event(kind), 1..24),
    );
    let outcome = TestRunner::new(config()).run(&traces, |(policy, events): (_, Vec<Event>)| {
        let mut run = Run::new(policy);
        for event in &events {
            run.take(event)?;
        }
        run.end_fairly()
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn traffic_alone() {
    all_hold(Kind::Traffic);
}

#[test]
fn other_hands_in_the_table() {
    all_hold(Kind::OtherHands);
}

#[test]
fn faults_and_crashes() {
    all_hold(Kind::Faults);
}

#[test]
fn all_at_once() {
    all_hold(Kind::All);
}

#[test]
fn failures_and_recoveries() {
    let traces = (
        failing_event::setting(),
        proptest::collection::vec(failing_event::event(), 1..24),
    );
    let outcome = TestRunner::new(config()).run(&traces, |((setting, counting), events)| {
        let mut trace = failing::Failing::new(setting, counting);
        for event in &events {
            trace.take(event)?;
        }
        trace.end_fairly()
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
