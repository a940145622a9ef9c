//! Drains for failure: what health asks for, on both sides of each edge.

use super::step_tests::{ENOUGH, ask, at, facts, flows, request, run, server};
use super::*;
use crate::health::{Belief, Health, Verdict};

const NODEST: Action = Action::Set(Setting::ExpireNodest, true);
const REMOVE: Action = Action::Remove {
    needs_expire_nodest: true,
};

/// Removed after 60 s and 3 confirmations, held down for 10 s.
pub(super) fn policy() -> Policy {
    Policy::default()
}

/// Down since this second, believed, with so many failures.
pub(super) fn down(since: u64, failures: u32) -> Health {
    Health {
        verdict: Verdict::Down {
            source: "check:dns".to_owned(),
            cause: "refused".to_owned(),
        },
        since: at(since),
        failures,
        unanimous: false,
        belief: Belief::Believed,
        last_pass: None,
    }
}

pub(super) fn up(since: u64) -> Health {
    Health {
        verdict: Verdict::Up,
        failures: 0,
        last_pass: Some(at(since)),
        ..down(since, 0)
    }
}

pub(super) fn unknown() -> Health {
    Health {
        verdict: Verdict::Unknown("silent".to_owned()),
        ..down(0, 0)
    }
}

pub(super) fn believed(belief: Belief, health: Health) -> Health {
    Health { belief, ..health }
}

/// The server at this weight.
pub(super) fn seen(weight: u32, health: impl Into<Option<Health>>) -> Facts {
    Facts {
        health: health.into(),
        ..facts(server(weight), flows())
    }
}

pub(super) fn gone(health: impl Into<Option<Health>>) -> Facts {
    Facts {
        table: Table::NoServer,
        watched: false,
        ..seen(0, health)
    }
}

pub(super) fn for_failure(policy: Policy) -> Request {
    Request {
        reason: Reason::Failure,
        failure: Failure::of(&down(0, 1), None, &policy.failure),
        ..request(policy)
    }
}

/// Recorded at second 0, when its failure began; not quiesced yet.
pub(super) fn begun(policy: Policy) -> Record {
    ask(&for_failure(policy), &seen(5, down(0, 1))).unwrap()
}

/// Found at weight 0 at second 0.
pub(super) fn quiesced(policy: Policy) -> Record {
    let first = step(&begun(policy), &seen(5, down(0, 1)), at(0));
    assert_eq!(first.actions, [Action::Quiesce]);
    let record = step(&first.record, &seen(0, down(0, 1)), at(0)).record;
    assert_eq!(record.state, State::Draining);
    record
}

/// Out of the table at second 60, and the count is over.
pub(super) fn removed(policy: Policy) -> Record {
    let asked = run(quiesced(policy), &seen(0, down(0, 3)), 1, 60);
    assert!(asked.actions.contains(&REMOVE), "{:?}", asked.actions);
    let record = run(asked.record, &gone(down(0, 3)), 60, 70).record;
    assert_eq!(record.state, State::Removed);
    assert!(record.is_over(), "{record:?}");
    record
}

pub(super) fn slow(secs: u32) -> Policy {
    Policy {
        slow_start_secs: secs,
        ..policy()
    }
}

pub(super) fn of_failure(change: impl FnOnce(&mut FailurePolicy)) -> Policy {
    let mut policy = policy();
    change(&mut policy.failure);
    policy
}

fn held(step: &Step) -> Option<Hold> {
    step.record.observed.held.clone()
}

#[test]
fn a_failure_that_is_not_believed_or_not_known_quiesces_nothing() {
    for (health, expected) in [
        (None, "nobody has looked"),
        (Some(unknown()), "unknown: silent"),
        (
            Some(believed(Belief::Awaited, down(0, 9))),
            "as soon as another server",
        ),
        (Some(believed(Belief::AllFail, down(0, 9))), "the checker"),
    ] {
        let step = run(begun(policy()), &seen(5, health.clone()), 0, 300);
        assert_eq!(
            (step.record.state, step.actions.as_slice()),
            (State::Pooled, [].as_slice())
        );
        let said = held(&step).unwrap().to_string();
        assert!(said.contains(expected), "{health:?}: {said}");
        let believed = super::step(&step.record, &seen(5, down(0, 1)), at(301));
        assert_eq!(believed.actions, [Action::Quiesce]);
    }
}

#[test]
fn a_server_that_recovers_before_it_is_quiesced_keeps_its_weight() {
    let step = step(&begun(policy()), &seen(5, up(1)), at(1));
    assert_eq!(step.record.state, State::Restored);
    assert!(!step.actions.contains(&Action::Quiesce));
    assert!(step.record.failure.unwrap().recovered);
}

#[test]
fn weight_0_by_another_hand_before_ours_is_not_ours_to_undo() {
    let step = step(&begun(policy()), &seen(0, down(0, 1)), at(1));
    assert_eq!(step.record.state, State::Yielded);
}

#[test]
fn a_failing_server_that_is_needed_is_not_quiesced() {
    let needed = Facts {
        capacity: Capacity {
            servers_left: 0,
            ..ENOUGH
        },
        ..seen(5, down(0, 1))
    };
    assert!(matches!(
        ask(&for_failure(policy()), &needed),
        Err(Refusal::Floor { .. })
    ));
    let step = run(begun(policy()), &needed, 0, 100);
    assert!(matches!(held(&step), Some(Hold::Floor(_))));
    assert_eq!(step.actions, []);
}

#[test]
fn it_is_removed_once_the_failure_lasted_and_not_a_second_before() {
    let before = run(quiesced(policy()), &seen(0, down(0, 99)), 1, 59);
    assert_eq!(before.actions, []);
    let after = run(quiesced(policy()), &seen(0, down(0, 99)), 1, 60);
    assert_eq!(after.actions, [NODEST, REMOVE]);
    assert!(after.record.removal.unwrap().by_failure);
    // The failure began later than the drain.
    let later = run(quiesced(policy()), &seen(0, down(1, 99)), 1, 60);
    assert_eq!(later.actions, []);
}

#[test]
fn it_is_removed_once_confirmed_and_not_once_less() {
    let before = run(quiesced(policy()), &seen(0, down(0, 2)), 1, 1000);
    assert_eq!(before.actions, []);
    let after = step(&before.record, &seen(0, down(0, 3)), at(1001));
    assert_eq!(after.actions, [NODEST, REMOVE]);
}

#[test]
fn where_all_sources_agree_only_confirmations_are_waited_for() {
    let agreed = |failures| Health {
        unanimous: true,
        ..down(0, failures)
    };
    let quiesced = quiesced(policy());
    assert_eq!(step(&quiesced, &seen(0, agreed(2)), at(1)).actions, []);
    assert_eq!(
        step(&quiesced, &seen(0, agreed(3)), at(1)).actions,
        [NODEST, REMOVE]
    );
}

#[test]
fn the_policy_says_how_far_it_goes() {
    let quiesce = of_failure(|failure| failure.then = OnFailure::Quiesce);
    let kept = run(quiesced(quiesce), &seen(0, down(0, 99)), 1, 1000);
    assert_eq!(kept.actions, []);
    let back = step(&kept.record, &seen(0, up(990)), at(1001));
    assert_eq!(back.actions, [Action::SetWeight(5)]);
}

#[test]
fn nothing_is_done_about_a_quiesced_server_while_all_fail_or_nobody_knows() {
    for (health, removed) in [
        (Some(believed(Belief::AllFail, down(0, 99))), false),
        (Some(believed(Belief::Awaited, down(0, 99))), false),
        (Some(unknown()), false),
        (None, false),
        (Some(down(0, 99)), true),
    ] {
        let step = run(quiesced(policy()), &seen(0, health.clone()), 1, 300);
        assert_eq!(step.actions.contains(&REMOVE), removed, "{health:?}");
        assert!(!matches!(step.record.state, State::Restoring | State::Restored));
    }
    let suspect = believed(Belief::AllFail, down(0, 99));
    let step = run(quiesced(policy()), &seen(0, suspect), 1, 100);
    assert_eq!(held(&step), Some(Hold::CheckerSuspected));
}

#[test]
fn it_gets_its_own_weight_back_after_the_hold_down_and_not_a_second_before() {
    let before = run(quiesced(policy()), &seen(0, up(20)), 20, 29);
    assert_eq!(
        (before.actions.as_slice(), held(&before)),
        ([].as_slice(), Some(Hold::HoldDown(10)))
    );
    let after = step(&before.record, &seen(0, up(20)), at(30));
    assert_eq!(after.actions, [Action::SetWeight(5)]);
    let back = step(&after.record, &seen(5, up(20)), at(30));
    assert_eq!(back.record.state, State::Restored);
    assert!(back.record.failure.unwrap().recovered);
    assert_eq!(back.record.before, server(5).configuration);
}

#[test]
fn a_failure_in_the_hold_down_makes_it_longer_and_the_removal_later() {
    let was_well = run(quiesced(policy()), &seen(0, up(20)), 20, 25).record;
    let again = Health {
        last_pass: Some(at(25)),
        ..down(26, 9)
    };
    let failing = run(was_well, &seen(0, again.clone()), 26, 85);
    assert_eq!(failing.actions, [], "59 s since it failed anew");
    assert_eq!(failing.record.failure.as_ref().unwrap().level, 2);
    assert_eq!(
        step(&failing.record, &seen(0, again), at(86)).actions,
        [NODEST, REMOVE]
    );
    let well = run(failing.record, &seen(0, up(86)), 86, 105);
    assert_eq!(
        (well.actions.as_slice(), held(&well)),
        ([].as_slice(), Some(Hold::HoldDown(20)))
    );
    let back = step(&well.record, &seen(0, up(86)), at(106));
    assert_eq!(back.actions, [Action::SetWeight(5)]);
}

#[test]
fn live_flows_do_not_keep_a_dead_server() {
    let live = Facts {
        flows: Evidence::Known(Flows {
            udp: 3,
            tcp_open: 2,
            ..flows()
        }),
        ..seen(0, down(0, 3))
    };
    for pinned in [Pinned::Wait, Pinned::Hold, Pinned::Migrate] {
        let step = run(quiesced(Policy { pinned, ..policy() }), &live, 1, 60);
        assert_eq!(step.actions, [NODEST, REMOVE], "{pinned:?}");
        let removal = step.record.removal.unwrap();
        assert_eq!((removal.migrated, removal.cut), (3, 2), "the cost is told");
    }
    let blind = Facts {
        flows: Evidence::Unknown("no BTF".to_owned()),
        ..seen(0, down(0, 3))
    };
    assert!(run(quiesced(policy()), &blind, 1, 60).actions.contains(&REMOVE));
}

#[test]
fn silence_and_deadlines_do_nothing_about_a_failing_server() {
    for on_deadline in [OnDeadline::Remove, OnDeadline::Restore] {
        let policy = Policy {
            deadline_secs: Some(5),
            on_deadline,
            ..policy()
        };
        // Proven empty long before.
        let step = run(quiesced(policy), &seen(0, down(0, 2)), 1, 59);
        assert_eq!(
            (step.record.state, step.actions.as_slice()),
            (State::Drained, [].as_slice())
        );
    }
}

#[test]
fn the_floor_holds_the_removal_too() {
    let crossed = Facts {
        capacity: Capacity {
            servers_left: 0,
            ..ENOUGH
        },
        ..seen(0, down(0, 3))
    };
    let step = run(quiesced(policy()), &crossed, 1, 100);
    assert_eq!(step.actions, []);
    assert!(matches!(held(&step), Some(Hold::Floor(_))));
}

#[test]
fn where_the_sysctl_may_not_be_touched_a_dead_server_goes_all_the_same() {
    let never = Policy {
        sysctl: SysctlUse::Never,
        ..policy()
    };
    let entries = Facts {
        table: Table::Present(Server {
            inactive: 4,
            ..server(0)
        }),
        ..seen(0, down(0, 3))
    };
    let bare = Action::Remove {
        needs_expire_nodest: false,
    };
    assert_eq!(run(quiesced(never), &entries, 1, 60).actions, [bare]);
    let on = Facts {
        expire_nodest_conn: Evidence::Known(true),
        ..entries.clone()
    };
    assert_eq!(
        run(quiesced(never), &on, 1, 60).actions,
        [REMOVE],
        "it is on anyway"
    );
    let unreadable = Facts {
        expire_nodest_conn: Evidence::Unknown("EIO".to_owned()),
        ..entries
    };
    let step = run(quiesced(never), &unreadable, 1, 60);
    assert!(matches!(held(&step), Some(Hold::SysctlUnknown(_))));
}

#[test]
fn a_weight_by_another_hand_is_yielded_to() {
    let step = step(&quiesced(policy()), &seen(3, down(0, 99)), at(5));
    assert_eq!(step.record.state, State::Yielded);
    assert!(!step.record.failure.unwrap().recovered);
}

#[test]
fn a_server_that_is_well_is_not_quiesced_again_whatever_another_hand_did() {
    for other_hands in [OtherHands::Yield, OtherHands::Reassert, OtherHands::Alarm] {
        let record = quiesced(Policy {
            other_hands,
            ..policy()
        });
        let step = step(&record, &seen(3, up(5)), at(5));
        assert_eq!(step.record.state, State::Yielded, "{other_hands:?}");
        assert_eq!(step.actions, [Action::Unwatch]);
        assert!(step.record.failure.unwrap().recovered);
    }
}

#[test]
fn in_shadow_mode_it_is_told_what_would_be_done() {
    let shadow = Request {
        shadow: true,
        ..for_failure(policy())
    };
    let record = ask(&shadow, &seen(5, down(0, 1))).unwrap();
    let step = run(record, &seen(5, down(0, 99)), 0, 100);
    assert_eq!(
        (step.record.state, step.actions.as_slice()),
        (State::Pooled, [].as_slice())
    );
    let back = super::step(&step.record, &seen(5, up(101)), at(101));
    assert_eq!(back.record.state, State::Restored);
}
