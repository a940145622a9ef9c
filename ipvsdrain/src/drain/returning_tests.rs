//! The way back of a server that was removed for its failure: at once or by a slow start, and what may come in between.

use super::failing_tests::{
    begun, believed, down, gone, of_failure, quiesced, removed, seen, slow, unknown, up,
};
use super::step_tests::{ENOUGH, around, at, flows, request, run, server};
use super::*;
use crate::forwarding::Configuration;
use crate::health::{Belief, Health};

/// Well since second 100, and so put back at second 110.
fn recovering(policy: Policy) -> Record {
    recover(&removed(policy), "up again for 10 s", at(110))
}

/// In mid-way of a slow start over 10 s: at weight 1 since second 110, at `weight` of 5 in the end.
fn ramping(weight: u32) -> Record {
    let asked = step(&recovering(slow(10)), &gone(up(100)), at(110));
    assert_eq!(
        asked.actions.first(),
        Some(&Action::Add(Configuration {
            weight: 1,
            ..server(5).configuration
        }))
    );
    let mut record = asked.record;
    for to in 2..=weight {
        let step = step(&record, &seen(to - 1, up(100)), at(110 + u64::from(to) * 2));
        assert_eq!(step.actions, [Action::SetWeight(to)]);
        record = step.record;
    }
    record
}

fn fails(second: u64) -> Health {
    Health {
        last_pass: Some(at(second - 1)),
        ..down(second, 1)
    }
}

fn needed(facts: Facts) -> Facts {
    Facts {
        capacity: Capacity {
            servers_left: 0,
            ..ENOUGH
        },
        ..facts
    }
}

fn maintenance() -> Request {
    Request {
        who: "operator".to_owned(),
        why: "new disk".to_owned(),
        ..request(Policy::default())
    }
}

fn taken(record: &Record, second: u64) -> Record {
    take_over(record, &maintenance(), at(second), 7).unwrap()
}

#[test]
fn a_removal_for_failure_says_so() {
    let record = removed(Policy::default());
    let why = &record.transitions.last().unwrap().why;
    assert!(why.contains("for it was dead"), "{why}");
    assert_eq!(record.before, server(5).configuration);
}

#[test]
fn a_removed_server_comes_back_with_all_it_had() {
    let back = step(&recovering(Policy::default()), &gone(up(100)), at(110));
    assert_eq!(back.actions.first(), Some(&Action::Add(server(5).configuration)));
    let there = step(&back.record, &seen(5, up(100)), at(110));
    assert_eq!(there.record.state, State::Restored);
}

#[test]
fn a_slow_start_ends_with_its_own_weight_in_its_time() {
    let mut record = step(&recovering(slow(10)), &gone(up(100)), at(110)).record;
    let mut weight = 1;
    for (second, expected) in (110..=120).zip([1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5]) {
        let step = step(&record, &seen(weight, up(100)), at(second));
        assert_eq!(step.record.state, State::Restoring);
        for action in &step.actions {
            let Action::SetWeight(given) = action else {
                assert_eq!(*action, Action::Set(Setting::ExpireNodest, false));
                continue;
            };
            weight = *given;
        }
        assert_eq!(weight, expected, "second {second}");
        record = step.record;
    }
    let there = step(&record, &seen(5, up(100)), at(121));
    assert_eq!(there.record.state, State::Restored);
    assert_eq!(there.record.before, server(5).configuration);
}

#[test]
fn a_crash_between_the_journal_and_the_weight_costs_nothing() {
    let record = ramping(3).durable();
    assert_eq!(record.ramp.map(|ramp| (ramp.from, ramp.to)), Some((2, 3)));
    for (weight, gives) in [(2, vec![Action::SetWeight(3)]), (3, vec![])] {
        let step = step(&record, &seen(weight, None), at(116));
        assert_eq!(
            (step.record.state, step.actions),
            (State::Restoring, gives),
            "{weight}"
        );
    }
    // It died before the server was added, or after.
    let asked = step(&recovering(slow(10)), &gone(up(100)), at(110))
        .record
        .durable();
    assert!(matches!(
        step(&asked, &gone(None), at(115)).actions[0],
        Action::Add(_)
    ));
    assert_eq!(
        step(&asked, &seen(1, None), at(114)).actions,
        [Action::SetWeight(2)]
    );
}

#[test]
fn another_hand_in_the_slow_start_is_yielded_to() {
    for weight in [0, 1, 4, 9] {
        let step = step(&ramping(3), &seen(weight, up(100)), at(117));
        assert_eq!(step.record.state, State::Yielded, "{weight}");
        assert_eq!(step.actions, [Action::Unwatch]);
    }
    let out = step(&ramping(3), &gone(up(100)), at(117));
    assert_eq!((out.record.state, out.actions), (State::Yielded, vec![]));
    let full = step(&ramping(3), &seen(5, up(100)), at(117));
    assert_eq!(
        full.record.state,
        State::Restored,
        "its own weight is what was meant"
    );
}

#[test]
fn where_a_step_would_move_flows_it_gets_its_weight_at_once() {
    for service in [
        Evidence::Known(Some(around(AtZero::Fallback(true)))),
        Evidence::Unknown("EIO".to_owned()),
    ] {
        let facts = Facts {
            service,
            ..gone(up(100))
        };
        let back = step(&recovering(slow(10)), &facts, at(110));
        assert_eq!(back.actions.first(), Some(&Action::Add(server(5).configuration)));
    }
}

#[test]
fn a_server_that_fails_in_its_slow_start_is_quiesced_again_and_loses_nothing() {
    let turned = step(&ramping(3), &seen(3, fails(117)), at(117)).record;
    assert_eq!(turned.state, State::Pooled);
    assert_eq!(turned.failure.as_ref().unwrap().level, 2);
    for weight in [2, 3] {
        // 2: it died before the last step was performed.
        let asked = step(&turned.durable(), &seen(weight, fails(117)), at(118));
        assert_eq!(asked.actions, [Action::Quiesce]);
        assert_eq!(asked.record.before, server(5).configuration, "from {weight}");
        let again = step(&asked.record, &seen(0, fails(117)), at(118)).record;
        assert_eq!((again.state, again.ramp), (State::Draining, None));
        // It never left the table this time: its weight comes back at once.
        let back = run(again, &seen(0, up(130)), 130, 150);
        assert_eq!(back.actions, [Action::SetWeight(5)]);
    }
}

#[test]
fn one_that_fails_again_before_it_got_its_weight_stays_at_0_and_is_ours() {
    let asked = run(quiesced(Policy::default()), &seen(0, up(20)), 20, 30);
    assert_eq!(asked.actions, [Action::SetWeight(5)]);
    // That did not come to pass.
    let again = run(asked.record, &seen(0, fails(31)), 31, 33).record;
    assert_eq!(again.failure.as_ref().unwrap().level, 2);
    assert!(!again.state.is_final(), "{:?}", again.state);
    let back = run(again, &seen(0, up(40)), 40, 60);
    assert_eq!(back.actions, [Action::SetWeight(5)]);

    let by_another = step(&ramping(3), &seen(0, fails(117)), at(117)).record;
    let yielded = step(&by_another, &seen(0, fails(117)), at(118)).record;
    assert_eq!(yielded.state, State::Yielded);
}

#[test]
fn a_failure_in_a_slow_start_must_be_believed_and_affordable() {
    for (facts, turns) in [
        (seen(3, fails(117)), true),
        (seen(3, believed(Belief::Awaited, fails(117))), false),
        (seen(3, believed(Belief::AllFail, fails(117))), false),
        (needed(seen(3, fails(117))), false),
        (seen(3, unknown()), false),
        (seen(3, None), false),
        // As a restarted daemon sees it, which did not see it well.
        (seen(3, down(117, 1)), true),
    ] {
        let step = step(&ramping(3), &facts, at(117));
        assert_eq!(step.record.state == State::Pooled, turns, "{facts:?}");
    }
    let report = of_failure(|failure| failure.then = OnFailure::Report);
    let record = Record {
        policy: Policy {
            slow_start_secs: 10,
            ..report
        },
        ..ramping(3)
    };
    assert_eq!(
        step(&record, &seen(3, fails(117)), at(117)).record.state,
        State::Restoring
    );
}

#[test]
fn well_again_before_it_was_quiesced_the_slow_start_goes_on() {
    let turned = step(&ramping(3), &seen(3, fails(117)), at(117)).record;
    let on = step(&turned, &seen(3, up(118)), at(118)).record;
    assert_eq!(on.state, State::Restoring, "3 is not its weight");
    let last = step(&on, &seen(3, up(118)), at(121));
    assert_eq!(last.actions, [Action::SetWeight(5)]);
}

#[test]
fn one_that_fails_again_before_it_was_put_back_stays_out() {
    for belief in [Belief::Believed, Belief::AllFail] {
        let step = step(
            &recovering(slow(10)),
            &gone(believed(belief, fails(112))),
            at(112),
        );
        assert_eq!((step.record.state, step.actions), (State::Removed, vec![]));
        assert!(!step.record.failure.unwrap().recovered);
    }
}

#[test]
fn what_another_hand_removes_after_it_came_back_was_not_removed_by_us() {
    let turned = step(&ramping(3), &seen(3, fails(117)), at(117)).record;
    let needed = run(turned, &needed(seen(3, fails(117))), 118, 125).record;
    assert_eq!(needed.state, State::Pooled);
    let gone = step(&needed, &gone(fails(117)), at(126));
    assert_eq!(gone.record.state, State::Yielded);
}

#[test]
fn whoever_restores_by_hand_gets_the_server_though_it_fails() {
    for record in [removed(slow(10)), ramping(3)] {
        let asked = restore(&record, at(117)).unwrap();
        let there = step(
            &asked,
            &seen(if record.ramp.is_some() { 3 } else { 1 }, fails(117)),
            at(118),
        );
        assert_ne!(there.record.state, State::Pooled, "{:?}", record.state);
    }
    let asked = restore(&quiesced(Policy::default()), at(5)).unwrap();
    assert_eq!(
        step(&asked, &seen(0, down(0, 99)), at(5)).actions,
        [Action::SetWeight(5)]
    );
    let turned = step(&ramping(3), &seen(3, fails(117)), at(117)).record;
    let asked = restore(&turned, at(118)).unwrap();
    assert_eq!(
        step(&asked, &seen(3, fails(117)), at(121)).actions,
        [Action::SetWeight(5)]
    );
    let asked = step(&turned, &seen(3, fails(117)), at(118)).record;
    let asked = restore(&asked, at(118)).unwrap();
    assert_eq!(
        step(&asked, &seen(0, fails(117)), at(118)).actions,
        [Action::SetWeight(5)]
    );
}

#[test]
fn maintenance_takes_over_whatever_a_failure_began() {
    let drained = run(quiesced(Policy::default()), &seen(0, down(0, 1)), 1, 20).record;
    let there = [
        begun(Policy::default()),
        quiesced(Policy::default()),
        drained,
        removed(Policy::default()),
    ];
    for record in there {
        let mut next = taken(&record, 200);
        assert_eq!((next.state, next.reason), (record.state, Reason::Planned));
        assert_eq!((next.who.as_str(), next.why.as_str()), ("operator", "new disk"));
        assert_eq!((next.asked_at(), next.asked_unix()), (at(200), 7));
        assert_eq!(next.before, record.before);
        let facts = if record.state == State::Removed {
            gone(up(150))
        } else {
            seen(0, up(150))
        };
        // It is well, and stays where it is.
        for second in 200..300 {
            let step = step(&next, &facts, at(second));
            assert!(!matches!(step.record.state, State::Restoring | State::Restored));
            next = step.record;
        }
    }
}

#[test]
fn on_its_way_back_maintenance_turns_it_around() {
    let asked = taken(&ramping(3), 117);
    assert_eq!(asked.state, State::Pooled);
    for weight in [2, 3] {
        let step = step(&asked, &seen(weight, up(100)), at(117));
        assert_eq!(step.actions, [Action::Quiesce]);
        assert_eq!(step.record.before, server(5).configuration);
        // Died in between, and restored by hand at once: weight 0 is ours.
        let back = restore(&step.record.durable(), at(118)).unwrap();
        assert_eq!(
            super::step(&back, &seen(0, up(100)), at(118)).actions,
            [Action::SetWeight(5)]
        );
    }
    let out = taken(&recovering(slow(10)), 112);
    let step = step(&out, &gone(up(100)), at(112));
    assert_eq!(step.record.state, State::Removed, "it had not come back yet");
    let back = restore(&step.record, at(300)).unwrap();
    let back = super::step(&back, &gone(None), at(300));
    assert_eq!(back.actions.first(), Some(&Action::Add(server(5).configuration)));
}

#[test]
fn a_deadline_of_maintenance_counts_from_when_it_was_asked_for() {
    let policy = Policy {
        deadline_secs: Some(30),
        on_deadline: OnDeadline::Restore,
        ..Policy::default()
    };
    let old = run(quiesced(Policy::default()), &seen(0, down(0, 1)), 1, 100).record;
    let asked = Request {
        policy,
        ..maintenance()
    };
    let taken = take_over(&old, &asked, at(100), 0).unwrap();
    let live = Facts {
        flows: Evidence::Known(Flows { udp: 1, ..flows() }),
        ..seen(0, down(0, 1))
    };
    assert_eq!(run(taken.clone(), &live, 101, 129).actions, []);
    assert_eq!(run(taken, &live, 101, 130).actions, [Action::SetWeight(5)]);
}

#[test]
fn nothing_else_is_taken_over() {
    let failing = Request {
        reason: Reason::Failure,
        ..maintenance()
    };
    assert_eq!(take_over(&quiesced(Policy::default()), &failing, at(1), 0), None);
    for state in [State::Restored, State::Yielded] {
        let over = Record {
            state,
            ..quiesced(Policy::default())
        };
        assert_eq!(take_over(&over, &maintenance(), at(1), 0), None);
    }
    let planned = Record {
        reason: Reason::Planned,
        ..quiesced(Policy::default())
    };
    assert_eq!(take_over(&planned, &maintenance(), at(1), 0), None);
    let shadow = Record {
        shadow: true,
        ..quiesced(Policy::default())
    };
    assert_eq!(take_over(&shadow, &maintenance(), at(1), 0), None);
}
