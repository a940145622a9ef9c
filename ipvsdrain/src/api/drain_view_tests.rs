//! What a drain shows of its evidence and of its cost, on a host in memory.

use super::DrainView;
use crate::drain::{Arrivals, Policy, Reason, Request, Rung, State};
use crate::moment::Moment;
use crate::supervise::Supervisor;
use crate::supervise::fake_kernel::FakeKernel;
use crate::supervise::journal::Journal;

pub(super) fn request() -> Request {
    Request {
        service: "udp:10.0.0.1:53".parse().unwrap(),
        server: "10.1.0.5:53".parse().unwrap(),
        policy: Policy::default(),
        reason: Reason::Planned,
        who: String::new(),
        why: String::new(),
        ticket: String::new(),
        forced: false,
        shadow: false,
        weight_before: None,
        failure: None,
    }
}

/// A drain on this host, second by second, until it is over or `secs` have passed.
async fn views(kernel: &FakeKernel, secs: usize) -> Vec<DrainView> {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&folder.path().join("journal")).unwrap();
    let mut supervisor = Supervisor::resume(kernel.clone(), journal, "boot".to_owned(), || 0);
    let mut views = vec![DrainView::from(&supervisor.begin(&request()).await.unwrap())];
    while views.len() < secs && !views.last().unwrap().over {
        kernel.pass_a_second();
        supervisor.step_all().await;
        views.push(DrainView::from(&supervisor.handle().0.drains.borrow()[0]));
    }
    views
}

#[tokio::test]
async fn what_a_removal_cost_is_told_once_it_is_settled() {
    let kernel = FakeKernel::new();
    let seen = views(&kernel, 100).await;
    let counting = seen.iter().find(|view| view.state == State::Removed).unwrap();
    assert!(!counting.over && counting.verdict.is_none(), "{counting:?}");
    let last = seen.last().unwrap();
    assert_eq!(
        (last.over, last.verdict.as_deref()),
        (
            true,
            Some("removed: proven empty, taken out of the table; 0 packets lost, 0 flows re-scheduled")
        )
    );
    assert_eq!(last.arrivals, Some(Arrivals::default()));
    assert_eq!((last.forwarded, &last.uncounted), (Some(0), &None));
}

#[tokio::test]
async fn a_cost_that_nobody_counted_is_not_none() {
    let kernel = FakeKernel::new();
    kernel.0.borrow_mut().arrivals = false;
    let seen = views(&kernel, 100).await;
    let last = seen.last().unwrap();
    let verdict = last.verdict.as_deref().unwrap();
    assert!(
        verdict.ends_with("; lost packets were not counted (arrivals are not witnessed)"),
        "{verdict}"
    );
    assert_eq!((last.arrivals, last.forwarded), (None, Some(0)));
    assert_eq!(last.uncounted.as_deref(), Some("arrivals are not witnessed"));
}

#[tokio::test]
async fn live_flows_are_shown_only_where_they_are_counted() {
    for (rung, counted) in [
        (Rung::Probes, true),
        (Rung::Arrivals, true),
        (Rung::Counters, false),
    ] {
        let kernel = FakeKernel::new();
        kernel.0.borrow_mut().rung = rung;
        kernel.0.borrow_mut().flows_until = Moment::from_secs(9000);
        let seen = views(&kernel, 5).await;
        let last = seen.last().unwrap();
        assert_eq!(last.rung, Some(rung));
        assert_eq!(last.live.map(|live| live.udp), counted.then_some(1), "{rung}");
        assert_eq!(last.forwarded.is_some(), counted, "{rung}");
        assert_eq!(last.arrivals.is_some(), counted, "{rung}");
    }
}
