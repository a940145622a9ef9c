//! The seconds after a removal, with the real journal on a host in memory: what asks come then, and what a restart
//! makes of them.

use std::path::Path;

use super::fake_kernel::{FakeKernel, ORIGINAL};
use super::journal::Journal;
use super::request::RequestError;
use super::supervisor::Supervisor;
use super::supervisor_tests::{block_on, pass, request, shown, start};
use crate::drain::{Outcome, Record, Refusal, Rung, State};
use crate::moment::Moment;

/// A daemon that has just found its server removed.
fn just_removed(kernel: &FakeKernel, journal: &Path) -> Supervisor<FakeKernel> {
    kernel.0.borrow_mut().flows_until = Moment::from_secs(0);
    let mut supervisor = start(kernel, journal);
    block_on(supervisor.begin(&request())).unwrap();
    while kernel.0.borrow().server.is_some() {
        kernel.pass_a_second();
        block_on(supervisor.step_all());
    }
    supervisor
}

#[test]
fn the_count_goes_on_after_the_removal_and_then_the_watch_ends() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new();
    let mut supervisor = just_removed(&kernel, &folder.path().join("journal"));
    assert!(shown(&supervisor).is_counting());
    pass(&mut supervisor, &kernel, 4);
    assert!(shown(&supervisor).is_counting() && kernel.0.borrow().watched_since.is_some());
    kernel.0.borrow_mut().lossy_removals = 3;
    pass(&mut supervisor, &kernel, 1);
    let over = shown(&supervisor);
    assert!(over.is_over() && kernel.0.borrow().watched_since.is_none());
    assert!(over.outcome.as_ref().is_some_and(Outcome::has_losses), "{over:?}");
    let kept = Journal::open(&folder.path().join("journal"))
        .unwrap()
        .latest()
        .unwrap();
    assert_eq!(kept[0].outcome, over.outcome, "durable");
}

#[test]
fn without_arrivals_or_flows_only_the_flush_is_waited_for() {
    for (rung, arrivals) in [(Rung::Probes, false), (Rung::Counters, true)] {
        let folder = tempfile::tempdir().unwrap();
        let kernel = FakeKernel::new();
        kernel.0.borrow_mut().rung = rung;
        kernel.0.borrow_mut().arrivals = arrivals;
        let mut supervisor = just_removed(&kernel, &folder.path().join("journal"));
        assert!(!shown(&supervisor).is_counting(), "{rung}");
        assert_eq!(kernel.0.borrow().watched_since, None, "{rung}");
        pass(&mut supervisor, &kernel, 2);
        assert!(shown(&supervisor).is_over(), "{rung}");
    }
}

#[test]
fn a_new_drain_of_the_same_server_waits_for_the_end_of_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new();
    let mut supervisor = just_removed(&kernel, &folder.path().join("journal"));
    kernel.0.borrow_mut().server = Some(ORIGINAL);
    pass(&mut supervisor, &kernel, 4);
    let refused = block_on(supervisor.begin(&request())).unwrap_err();
    assert!(
        matches!(refused, RequestError::Refused(Refusal::NotOver { .. })),
        "{refused}"
    );
    kernel.pass_a_second();
    let begun = block_on(supervisor.begin(&request())).unwrap();
    assert_eq!(begun.state, State::Draining, "not even a tick later than it must");
    assert_eq!(begun.outcome, None);
}

#[test]
fn a_restart_in_the_aftermath_leaves_the_count_unknown_and_is_not_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let kernel = FakeKernel::new();
    let mut supervisor = just_removed(&kernel, &path);
    pass(&mut supervisor, &kernel, 3);
    assert!(shown(&supervisor).is_counting());
    drop(supervisor);
    // The programs went with the process.
    kernel.0.borrow_mut().watched_since = None;
    kernel.0.borrow_mut().server = Some(ORIGINAL);
    let mut next = start(&kernel, &path);
    let begun = block_on(next.begin(&request())).unwrap();
    assert_eq!((begun.id, begun.state), (2, State::Draining));
    let first: String = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("SELECT record FROM drains WHERE id = 1", [], |row| row.get(0))
        .unwrap();
    let first: Record = serde_json::from_str(&first).unwrap();
    assert!(first.is_over());
    assert!(matches!(first.outcome, Some(Outcome::Uncounted { .. })));
}

#[test]
fn a_reboot_in_the_aftermath_closes_the_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let kernel = FakeKernel::new();
    drop(just_removed(&kernel, &path));
    let journal = Journal::open(&path).unwrap();
    let rebooted = Supervisor::resume(kernel, journal, "another".to_owned(), || 0);
    let record = shown(&rebooted);
    assert!(record.is_over() && record.state == State::Removed);
    assert!(matches!(record.outcome, Some(Outcome::Uncounted { why, .. }) if why.contains("rebooted")));
}

#[test]
fn a_restore_in_the_aftermath_puts_the_server_back_and_ends_the_watch() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new();
    let mut supervisor = just_removed(&kernel, &folder.path().join("journal"));
    kernel.pass_a_second();
    let name = (request().service, request().server);
    let restored = block_on(supervisor.restore(name)).unwrap();
    assert_eq!(restored.state, State::Restored);
    assert_eq!(kernel.0.borrow().server, Some(ORIGINAL));
    pass(&mut supervisor, &kernel, 2);
    assert!(shown(&supervisor).is_over());
    assert_eq!(kernel.0.borrow().watched_since, None);
    assert!(!kernel.0.borrow().expire_nodest);
}
