//! The supervisor with the real journal on a host in memory: every call that changes something fails once, and the
//! daemon dies before and after each of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::fake_kernel::{Death, FakeKernel, ORIGINAL, Trouble};
use super::journal::Journal;
use super::supervisor::Supervisor;
use crate::drain::{
    AtZero, FallbackUse, Hold, OnDeadline, Outcome, PersistenceUse, Policy, Reason, Record, Request, State,
};
use crate::moment::Moment;

pub(super) fn request() -> Request {
    Request {
        service: "udp:10.0.0.1:53".parse().unwrap(),
        server: "10.1.0.5:53".parse().unwrap(),
        policy: Policy::default(),
        reason: Reason::Planned,
        who: "tester".to_owned(),
        why: "maintenance".to_owned(),
        ticket: String::new(),
        forced: false,
        shadow: false,
        weight_before: None,
        failure: None,
    }
}

pub(super) fn start(kernel: &FakeKernel, journal: &Path) -> Supervisor<FakeKernel> {
    Supervisor::resume(
        kernel.clone(),
        Journal::open(journal).unwrap(),
        "boot".to_owned(),
        || 0,
    )
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// A step of every drain, once a second.
pub(super) fn pass(supervisor: &mut Supervisor<FakeKernel>, kernel: &FakeKernel, secs: u32) {
    for _ in 0..secs {
        kernel.pass_a_second();
        block_on(supervisor.step_all());
    }
}

/// The first drain there is.
pub(super) fn shown(supervisor: &Supervisor<FakeKernel>) -> Record {
    supervisor.handle().0.drains.borrow()[0].clone()
}

/// Drains for `secs` seconds, with a new daemon wherever one dies; then restores if asked to.
fn maintain(kernel: &FakeKernel, journal: &Path, secs: u32, restore: bool) -> Option<Record> {
    maintain_by(Policy::default(), kernel, journal, secs, restore)
}

fn maintain_by(
    policy: Policy,
    kernel: &FakeKernel,
    journal: &Path,
    secs: u32,
    restore: bool,
) -> Option<Record> {
    let request = || Request { policy, ..request() };
    let mut daemon: Option<Supervisor<FakeKernel>> = None;
    let mut asked = false;
    for second in 0..secs {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let supervisor = daemon.get_or_insert_with(|| start(kernel, journal));
            if second == 0 {
                drop(block_on(supervisor.begin(&request())));
            } else if restore && !asked && second > secs / 2 {
                asked = block_on(supervisor.restore((request().service, request().server))).is_ok();
            } else {
                block_on(supervisor.step_all());
            }
        }));
        if let Err(thrown) = ran {
            assert!(thrown.is::<Death>(), "only the host kills the daemon here");
            daemon = None;
            // A restart forgets the watch: the programs went with the process.
            kernel.0.borrow_mut().watched_since = None;
            // The journal tells whether the request was taken before the death.
            asked = start(kernel, journal)
                .handle()
                .0
                .drains
                .borrow()
                .iter()
                .any(|record| record.state == State::Restoring)
                || asked;
        }
        kernel.pass_a_second();
    }
    drop(daemon);
    Journal::open(journal).unwrap().latest().unwrap().pop()
}

fn changes_of(restore: bool) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new();
    maintain(&kernel, &folder.path().join("journal"), 120, restore);
    let changes = kernel.0.borrow().changes.clone();
    assert!(changes.len() >= 6, "{changes:?}");
    changes.len()
}

#[test]
fn a_drain_ends_in_the_order_that_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new();
    let record = maintain(&kernel, &folder.path().join("journal"), 60, false).unwrap();
    assert_eq!(record.state, State::Removed);
    let host = kernel.0.borrow();
    assert_eq!(
        host.changes,
        [
            "watch",
            "weight 0",
            "expire_nodest true",
            "remove",
            "expire_nodest false",
            "unwatch"
        ]
    );
    assert_eq!(
        (host.lossy_removals, host.expire_nodest, host.server),
        (0, false, None)
    );
}

#[test]
fn trouble_at_any_boundary_ends_in_the_same_removal() {
    for trouble in [Trouble::Fails, Trouble::DiesBefore, Trouble::DiesAfter] {
        for at in 0..changes_of(false) {
            let folder = tempfile::tempdir().unwrap();
            let kernel = FakeKernel::new();
            kernel.0.borrow_mut().trouble = Some((at, trouble));
            let record = maintain(&kernel, &folder.path().join("journal"), 120, false).unwrap();
            let host = kernel.0.borrow();
            let story = format!("{trouble:?} at {at}: {:?}", host.changes);
            assert_eq!(record.state, State::Removed, "{story}");
            assert_eq!(host.lossy_removals, 0, "{story}");
            assert!(!host.expire_nodest, "the sysctl is put back: {story}");
            assert_eq!(host.server, None, "{story}");
            assert!(record.is_over(), "{story}");
            assert_eq!(host.watched_since, None, "{story}");
            let died_while_counting = trouble != Trouble::Fails && is_after_the_removal(&host.changes, at);
            let counted = matches!(record.outcome, Some(Outcome::Counted { .. }));
            let died_removing = trouble == Trouble::DiesAfter && host.changes[at] == "remove";
            // At `unwatch` the count was in the journal already.
            let died_late = host.changes[at] == "unwatch";
            assert_eq!(
                counted,
                died_late || !(died_while_counting || died_removing),
                "{story}: {record:?}"
            );
        }
    }
}

fn is_after_the_removal(changes: &[String], at: usize) -> bool {
    changes[..at].iter().any(|change| change == "remove")
}

#[test]
fn trouble_at_any_boundary_still_restores_the_original() {
    for trouble in [Trouble::Fails, Trouble::DiesBefore, Trouble::DiesAfter] {
        for at in 0..changes_of(true) {
            let folder = tempfile::tempdir().unwrap();
            let kernel = FakeKernel::new();
            kernel.0.borrow_mut().trouble = Some((at, trouble));
            let record = maintain(&kernel, &folder.path().join("journal"), 160, true).unwrap();
            let host = kernel.0.borrow();
            let story = format!("{trouble:?} at {at}: {:?}", host.changes);
            assert_eq!(record.state, State::Restored, "{story}");
            assert_eq!(host.server, Some(ORIGINAL), "weight and thresholds: {story}");
            assert!(!host.expire_nodest, "{story}");
        }
    }
}

/// A host and a policy under which a drain touches everything there is to touch.
fn everything_to_borrow() -> (FakeKernel, Policy) {
    let kernel = FakeKernel::new();
    {
        let mut host = kernel.0.borrow_mut();
        host.at_zero = AtZero::Fallback(false);
        host.persistent = true;
    }
    let policy = Policy {
        fallback: FallbackUse::Set,
        persistence: PersistenceUse::Set,
        ..Policy::default()
    };
    (kernel, policy)
}

/// Meets every kind of trouble at every boundary of a drain like this; gives what became of it each time.
fn every_trouble(policy: Policy, flows_last: u64, restore: bool) -> Vec<(String, Record, FakeKernel)> {
    let run = |trouble| {
        let folder = tempfile::tempdir().unwrap();
        let (kernel, borrowing) = everything_to_borrow();
        let policy = Policy {
            fallback: borrowing.fallback,
            persistence: borrowing.persistence,
            ..policy
        };
        {
            let mut host = kernel.0.borrow_mut();
            host.trouble = trouble;
            host.flows_until = host.now + std::time::Duration::from_secs(flows_last);
        }
        let record = maintain_by(policy, &kernel, &folder.path().join("journal"), 160, restore).unwrap();
        let story = format!("{trouble:?}: {:?}", kernel.0.borrow().changes);
        (story, record, kernel)
    };
    let (_, _, calm) = run(None);
    let boundaries = calm.0.borrow().changes.len();
    assert!(boundaries >= 8, "{:?}", calm.0.borrow().changes);
    let mut outcomes = Vec::new();
    for trouble in [Trouble::Fails, Trouble::DiesBefore, Trouble::DiesAfter] {
        outcomes.extend((0..boundaries).map(|at| run(Some((at, trouble)))));
    }
    outcomes
}

/// The host is as it was found.
fn everything_is_back(story: &str, record: &Record, kernel: &FakeKernel) {
    let host = kernel.0.borrow();
    assert!(!host.expire_nodest && !host.quiescent_template, "{story}");
    assert_eq!(host.at_zero, AtZero::Fallback(false), "{story}");
    assert!(record.is_over(), "{story}: {record:?}");
}

#[test]
fn whatever_is_borrowed_comes_back_from_any_boundary_of_a_removal() {
    for (story, record, kernel) in every_trouble(Policy::default(), 20, false) {
        assert_eq!(record.state, State::Removed, "{story}");
        assert_eq!(kernel.0.borrow().server, None, "{story}");
        assert_eq!(kernel.0.borrow().lossy_removals, 0, "{story}");
        everything_is_back(&story, &record, &kernel);
    }
}

#[test]
fn whatever_is_borrowed_comes_back_from_any_boundary_of_a_restore() {
    for (story, record, kernel) in every_trouble(Policy::default(), 20, true) {
        assert_eq!(record.state, State::Restored, "{story}");
        assert_eq!(kernel.0.borrow().server, Some(ORIGINAL), "{story}");
        everything_is_back(&story, &record, &kernel);
    }
}

#[test]
fn a_deadline_keeps_its_word_from_any_boundary() {
    for (on_deadline, end, server) in [
        (OnDeadline::Remove, State::Removed, None),
        (OnDeadline::Restore, State::Restored, Some(ORIGINAL)),
    ] {
        let policy = Policy {
            deadline_secs: Some(30),
            on_deadline,
            ..Policy::default()
        };
        // The flows outlast everything: only the deadline ends this.
        for (story, record, kernel) in every_trouble(policy, 10_000, false) {
            assert_eq!(record.state, end, "{story}");
            assert_eq!(kernel.0.borrow().server, server, "{story}");
            everything_is_back(&story, &record, &kernel);
        }
    }
}

#[test]
fn an_observer_that_cannot_work_holds_the_drain_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new();
    kernel.0.borrow_mut().watch_fault = Some("struct ip_vs_conn has no member `dest`".to_owned());
    let mut supervisor = start(&kernel, &folder.path().join("journal"));
    let (handle, _inbox) = supervisor.handle();
    block_on(supervisor.begin(&request())).unwrap();
    for _ in 0..600 {
        kernel.pass_a_second();
        block_on(supervisor.step_all());
    }
    let drains = handle.drains.borrow().clone();
    assert_eq!(drains[0].state, State::Draining);
    let expected = Hold::FlowsUnknown("struct ip_vs_conn has no member `dest`".to_owned());
    assert_eq!(drains[0].observed.held, Some(expected));
    assert_eq!(
        kernel.0.borrow().changes,
        ["weight 0"],
        "quiesced, and nothing else"
    );
}

#[test]
fn a_journal_that_cannot_be_written_stops_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let kernel = FakeKernel::new();
    let mut supervisor = start(&kernel, &path);
    let (handle, _inbox) = supervisor.handle();
    block_on(supervisor.begin(&request())).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TABLE drains")
        .unwrap();
    for _ in 0..100 {
        kernel.pass_a_second();
        block_on(supervisor.step_all());
    }
    assert_eq!(
        kernel.0.borrow().changes,
        ["watch", "weight 0"],
        "nothing was removed"
    );
    let held = handle.drains.borrow()[0]
        .observed
        .held
        .clone()
        .expect("held")
        .to_string();
    assert!(
        held.contains("journal") && held.contains("no such table"),
        "{held}"
    );
}

#[test]
fn a_drain_of_an_earlier_boot_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let kernel = FakeKernel::new();
    block_on(start(&kernel, &path).begin(&request())).unwrap();
    let rebooted = Supervisor::resume(
        kernel.clone(),
        Journal::open(&path).unwrap(),
        "another".to_owned(),
        || 0,
    );
    assert_eq!(rebooted.handle().0.drains.borrow()[0].state, State::Yielded);
    assert_eq!(kernel.0.borrow().changes.len(), 2, "the new table is left alone");
}

#[test]
fn a_past_drain_is_not_written_again_at_each_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let kernel = FakeKernel::new();
    block_on(start(&kernel, &path).begin(&request())).unwrap();
    let reboot = || {
        let journal = Journal::open(&path).unwrap();
        Supervisor::resume(kernel.clone(), journal, "another".to_owned(), || 0)
    };
    drop(reboot());
    let refuse = "CREATE TRIGGER t BEFORE INSERT ON drains BEGIN SELECT RAISE(ABORT, 'written'); END";
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(refuse)
        .unwrap();
    let again = reboot();
    assert_eq!(again.journal.fault(), None);
    assert_eq!(again.handle().0.drains.borrow()[0].state, State::Yielded);
}

#[tokio::test]
async fn a_stop_waits_for_the_flush_and_puts_the_sysctl_back() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let kernel = FakeKernel::new();
    kernel.0.borrow_mut().flows_until = Moment::from_secs(0);
    let mut supervisor = start(&kernel, &journal);
    supervisor.begin(&request()).await.unwrap();
    while kernel.0.borrow().server.is_some() {
        kernel.pass_a_second();
        supervisor.step_all().await;
    }
    assert!(kernel.0.borrow().expire_nodest, "the kernel may still flush");

    let (_handle, inbox) = supervisor.handle();
    Box::pin(supervisor.run(inbox, std::future::ready(()))).await;
    assert!(
        !kernel.0.borrow().expire_nodest,
        "put back before the daemon was gone"
    );
    let latest = Journal::open(&journal).unwrap().latest().unwrap();
    let outcome = latest[0].outcome.as_ref();
    assert!(
        matches!(outcome, Some(Outcome::Counted { .. })),
        "a stop lets the count end: {outcome:?}"
    );
}
