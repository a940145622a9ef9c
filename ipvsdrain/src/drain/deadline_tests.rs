//! Deadlines, and what happens to a server that was proven empty: each on both sides of its edge.

use super::step_tests::{ENOUGH, NEEDED, at, begun, draining, facts, flows, run, server};
use super::*;

const DEADLINE: u64 = 40;

fn policy(on_deadline: OnDeadline) -> Policy {
    Policy {
        soft_deadline_secs: Some(20),
        deadline_secs: Some(40),
        on_deadline,
        ..Policy::default()
    }
}

/// A flow that sends every second, counted by both witnesses.
fn busy(second: u64) -> Facts {
    let seen = Flows {
        udp: 2,
        last_packet: Some(at(second)),
        ..flows()
    };
    let counted = Server {
        packets: 500 + second,
        ..server(0)
    };
    facts(counted, seen)
}

/// Under traffic up to and including second `until`.
fn under_traffic(policy: Policy, until: u64) -> Step {
    let mut record = draining(policy);
    for second in 1..until {
        record = step(&record, &busy(second), at(second)).record;
    }
    step(&record, &busy(until), at(until))
}

fn removes(step: &Step) -> bool {
    step.actions
        .iter()
        .any(|action| matches!(action, Action::Remove { .. }))
}

#[test]
fn the_soft_deadline_warns_once_and_does_nothing() {
    let before = under_traffic(policy(OnDeadline::Remove), 19);
    assert_eq!((before.record.overdue, before.notes.len()), (None, 0));
    let passed = under_traffic(policy(OnDeadline::Remove), 20);
    assert_eq!(passed.record.overdue, Some(Overdue::Soft));
    assert!(matches!(
        passed.notes[..],
        [Note::Overdue {
            overdue: Overdue::Soft,
            lasted_secs: 20
        }]
    ));
    assert_eq!(passed.actions, []);
    let later = step(&passed.record, &busy(21), at(21));
    assert_eq!((later.notes, later.actions), (vec![], vec![]));
}

#[test]
fn hold_goes_on_overdue_and_still_removes_what_falls_silent() {
    let before = under_traffic(policy(OnDeadline::Hold), DEADLINE - 1);
    assert_eq!(before.record.observed.held, None);
    let held = under_traffic(policy(OnDeadline::Hold), DEADLINE);
    assert_eq!(held.record.overdue, Some(Overdue::Hard));
    assert!(matches!(held.record.observed.held, Some(Hold::DeadlinePassed(_))));
    assert!(!removes(&held));
    let silent = Flows {
        last_packet: Some(at(DEADLINE)),
        ..flows()
    };
    let counted = Server {
        packets: 500 + DEADLINE,
        ..server(0)
    };
    let end = run(
        held.record,
        &facts(counted, silent),
        DEADLINE + 1,
        DEADLINE + NEEDED,
    );
    assert!(removes(&end));
    assert!(end.record.removal.is_some_and(|removal| !removal.by_deadline));
}

#[test]
fn remove_takes_the_server_out_with_its_flows_and_tells_them() {
    assert!(!removes(&under_traffic(policy(OnDeadline::Remove), DEADLINE - 1)));
    let due = under_traffic(policy(OnDeadline::Remove), DEADLINE);
    assert!(removes(&due));
    let removal = due.record.removal.unwrap();
    assert_eq!((removal.by_deadline, removal.migrated, removal.cut), (true, 2, 0));
    let gone = Facts {
        table: Table::NoServer,
        ..busy(DEADLINE)
    };
    let removed = step(&due.record, &gone, at(DEADLINE)).record;
    let why = &removed.transitions.last().unwrap().why;
    assert_eq!(
        why,
        "taken out of the table at the deadline; 2 live UDP flows were scheduled anew"
    );
}

#[test]
fn remove_cuts_tcp_that_nothing_else_would() {
    let open = facts(
        Server {
            active: 3,
            ..server(0)
        },
        flows(),
    );
    assert!(!removes(&run(
        draining(policy(OnDeadline::Remove)),
        &open,
        1,
        DEADLINE - 1
    )));
    let due = run(draining(policy(OnDeadline::Remove)), &open, 1, DEADLINE);
    assert_eq!(due.record.removal.map(|removal| removal.cut), Some(3));
}

#[test]
fn no_deadline_removes_on_unknown_evidence_or_below_the_floor_or_what_is_held() {
    let unknown = Facts {
        flows: Evidence::Unknown("no BTF".to_owned()),
        ..busy(DEADLINE)
    };
    let record = under_traffic(policy(OnDeadline::Remove), DEADLINE - 1).record;
    let held = step(&record, &unknown, at(DEADLINE));
    assert!(!removes(&held));
    assert!(
        held.record
            .observed
            .held
            .is_some_and(|hold| hold.is_unknown_evidence())
    );

    let low = Facts {
        capacity: Capacity {
            servers_left: 0,
            weight_left: 0,
            ..ENOUGH
        },
        ..busy(DEADLINE)
    };
    let held = step(&record, &low, at(DEADLINE));
    assert!(!removes(&held) && matches!(held.record.observed.held, Some(Hold::Floor(_))));

    let kept = Policy {
        pinned: Pinned::Hold,
        ..policy(OnDeadline::Remove)
    };
    let held = under_traffic(kept, DEADLINE + 5);
    assert!(!removes(&held));
    assert_eq!(held.record.observed.held, Some(Hold::PinnedFlows(2)));
}

#[test]
fn restore_gives_the_weight_back_unless_the_server_is_empty_by_then() {
    let before = under_traffic(policy(OnDeadline::Restore), DEADLINE - 1);
    assert_eq!(before.record.state, State::Draining);
    let due = under_traffic(policy(OnDeadline::Restore), DEADLINE);
    assert_eq!(due.record.state, State::Restoring);
    assert_eq!(due.actions, [Action::SetWeight(5)]);
    let back = step(&due.record, &facts(server(5), flows()), at(DEADLINE));
    assert_eq!(back.record.state, State::Restored);
}

#[test]
fn what_is_to_be_kept_is_drained_and_never_removed() {
    let keep = Policy {
        then: Then::Keep,
        ..Policy::default()
    };
    let idle = facts(server(0), flows());
    let early = run(draining(keep), &idle, 1, NEEDED - 1).record;
    assert!(!early.is_kept());
    let kept = run(draining(keep), &idle, 1, 500);
    assert!(kept.record.is_kept() && !kept.record.is_over());
    assert_eq!(kept.actions, []);
    let raised = step(&kept.record, &facts(server(5), flows()), at(501)).record;
    assert_eq!(raised.state, State::Yielded);
    let back = restore(&kept.record, at(501)).unwrap();
    assert_eq!(step(&back, &idle, at(501)).actions, [Action::SetWeight(5)]);
}

#[test]
fn pinned_flows_hold_the_server_where_the_policy_says_so() {
    let policy = Policy {
        pinned: Pinned::Hold,
        ..Policy::default()
    };
    let early = under_traffic(policy, NEEDED - 1);
    assert_eq!(early.record.observed.held, None, "they may yet end");
    let held = under_traffic(policy, NEEDED);
    assert_eq!(held.record.observed.held, Some(Hold::PinnedFlows(2)));
}

#[test]
fn evidence_is_kept_with_each_transition() {
    let record = run(draining(Policy::default()), &facts(server(0), flows()), 1, NEEDED).record;
    let drained = record.transitions.last().unwrap();
    assert_eq!(drained.to, State::Drained);
    let seen = drained.evidence.unwrap();
    assert_eq!((seen.flows, seen.still_secs), (Some(flows()), NEEDED));
    assert_eq!(begun(Policy::default()).transitions, []);
}
