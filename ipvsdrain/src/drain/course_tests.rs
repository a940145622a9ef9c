//! How far a drain is and when it may be empty, and above all when nobody can tell.

use std::time::Duration;

use super::step_tests::{at, draining, facts, flows, server};
use super::*;

/// The same drain a second later, with that many live UDP flows.
fn with(record: &Record, udp: u64, now: u64) -> Record {
    let seen = Flows {
        udp,
        last_packet: Some(at(now)),
        ..flows()
    };
    step(record, &facts(server(0), seen), at(now)).record
}

/// What becomes of a drain with these many live flows, a second apart.
fn seen(live: impl IntoIterator<Item = u64>) -> (Course, Record) {
    let mut course = Course::default();
    let mut record = draining(Policy::default());
    for (udp, now) in live.into_iter().zip(1..) {
        record = with(&record, udp, now);
        course.see(&record);
    }
    (course, record)
}

#[test]
fn progress_is_the_share_of_the_most_live_flows_that_is_gone() {
    for (live, expected) in [
        (vec![], None),
        (vec![0], None),
        (vec![8], Some(0.0)),
        (vec![2, 8, 6], Some(0.25)),
        (vec![8, 0], Some(1.0)),
        // Clients came back.
        (vec![4, 0, 8], Some(0.0)),
    ] {
        let (course, record) = seen(live.clone());
        assert_eq!(course.progress(&record), expected, "{live:?}");
    }
}

#[test]
fn a_state_tells_of_itself_where_flows_do_not() {
    let (course, mut record) = seen([8, 4]);
    for (state, progress, left) in [
        (State::Pooled, Some(0.0), None),
        (State::Drained, Some(1.0), Some(Duration::ZERO)),
        (State::Removed, Some(1.0), None),
        (State::Restoring, None, None),
        (State::Yielded, None, None),
    ] {
        record.state = state;
        assert_eq!(course.progress(&record), progress, "{state}");
        assert_eq!(course.left(&record, at(3)), left, "{state}");
    }
}

#[test]
fn unknown_flows_are_no_progress() {
    let (course, mut record) = seen([8, 4, 2]);
    record.observed.flows = None;
    assert_eq!(course.progress(&record), None);
    assert_eq!(course.left(&record, at(4)), None);
    let (course, mut record) = seen([8, 4, 2]);
    record.observed.flows = Some(Flows {
        rung: Rung::Counters,
        ..flows()
    });
    assert_eq!(course.progress(&record), None);
}

#[test]
fn after_a_restart_the_journal_tells_how_many_flows_there_were() {
    let (_, mut record) = seen([8, 4]);
    let step = record.transitions.last_mut().unwrap();
    step.to = State::Draining;
    step.evidence = Some(Seen {
        flows: Some(Flows { udp: 16, ..flows() }),
        entries: 0,
        still_secs: 0,
    });
    let mut course = Course::default();
    course.see(&record);
    assert_eq!(course.progress(&record), Some(0.75));
}

#[test]
fn the_time_left_is_told_while_flows_end_and_while_the_silence_lasts() {
    let (course, record) = seen((1..=20).rev());
    let left = course.left(&record, at(20)).unwrap();
    assert!((1..60).contains(&left.as_secs()), "{left:?}");
    let (course, record) = seen([5; 30]);
    assert_eq!(course.left(&record, at(30)), None);
    let (course, mut record) = seen([5, 0]);
    assert_eq!(record.state, State::Quiet);
    let silence = record.policy.silence();
    let second = Duration::from_secs(1);
    assert_eq!(course.left(&record, at(3)), Some(silence.saturating_sub(second)));
    assert_eq!(course.left(&record, at(999)), Some(Duration::ZERO));
    record.observed.held = Some(Hold::ObserverBlind);
    assert_eq!(course.left(&record, at(3)), None);
}

fn newest(record: &mut Record) -> &mut Flows {
    record.observed.flows.as_mut().unwrap()
}

#[test]
fn live_flows_are_pinned_where_it_is_known_that_none_began_later() {
    let pinned = |change: fn(&mut Record)| {
        let (_, mut record) = seen([3, 3]);
        change(&mut record);
        record.pinned()
    };
    assert_eq!(pinned(|_| ()), Some(3));
    // The kernel's own count sees connections that are silent.
    assert_eq!(pinned(|record| record.observed.active = 2), Some(5));
    assert_eq!(pinned(|record| newest(record).started = 1), None);
    assert_eq!(pinned(|record| newest(record).watched_since = at(2)), None);
    assert_eq!(pinned(|record| newest(record).rung = Rung::Arrivals), None);
    assert_eq!(pinned(|record| record.transitions.clear()), None);
    assert_eq!(pinned(|record| record.observed.flows = None), None);
    let (_, none_left) = seen([3, 0]);
    assert_eq!(none_left.pinned(), Some(0));
}
