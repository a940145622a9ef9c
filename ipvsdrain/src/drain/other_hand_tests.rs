//! Another hand in the table, in each state and under each policy.

use super::step_tests::{ENOUGH, NEEDED, at, draining, facts, flows, run, server};
use super::*;
use crate::forwarding::Configuration;

fn policy(other_hands: OtherHands) -> Policy {
    Policy {
        other_hands,
        ..Policy::default()
    }
}

/// A drain in each state in which the server is still in the table.
fn in_each_state(policy: Policy) -> Vec<Record> {
    let idle = facts(server(0), flows());
    let mut drained = run(draining(policy), &idle, 1, NEEDED).record;
    // The removal failed, and what it had borrowed is back.
    drained.removal = None;
    drained.borrowed = Borrowed::default();
    let records = vec![
        draining(policy),
        run(draining(policy), &idle, 1, 5).record,
        drained,
    ];
    let states: Vec<State> = records.iter().map(|record| record.state).collect();
    assert_eq!(states, [State::Draining, State::Quiet, State::Drained]);
    records
}

fn without_server() -> [Facts; 2] {
    let there = facts(server(0), flows());
    [
        Facts {
            table: Table::NoServer,
            ..there.clone()
        },
        Facts {
            table: Table::NoService,
            service: Evidence::Known(None),
            ..there
        },
    ]
}

#[test]
fn by_default_a_drain_yields_and_touches_nothing_more() {
    let mut hands = without_server().to_vec();
    hands.push(facts(server(4), flows()));
    for record in in_each_state(policy(OtherHands::Yield)) {
        for facts in &hands {
            let yielded = step(&record, facts, at(20));
            assert_eq!(yielded.record.state, State::Yielded, "{:?}", facts.table);
            assert_eq!(yielded.actions, [Action::Unwatch]);
        }
    }
}

#[test]
fn reassert_quiesces_three_times_and_then_yields() {
    for record in in_each_state(policy(OtherHands::Reassert)) {
        let mut record = record;
        for time in 1..=3u32 {
            let again = step(&record, &facts(server(4), flows()), at(20 + u64::from(time)));
            assert_eq!(again.actions, [Action::Quiesce], "time {time}");
            assert_eq!(
                (again.record.state, again.record.reasserted),
                (State::Draining, time)
            );
            assert_eq!(again.record.before.weight, 4, "their newest word");
            record = again.record;
        }
        let end = step(&record, &facts(server(4), flows()), at(24));
        assert_eq!(end.record.state, State::Yielded);
    }
}

#[test]
fn reassert_spares_a_server_that_the_floor_needs() {
    let needed = Facts {
        capacity: Capacity {
            servers_left: 0,
            weight_left: 0,
            ..ENOUGH
        },
        ..facts(server(4), flows())
    };
    let held = step(&draining(policy(OtherHands::Reassert)), &needed, at(20));
    assert_eq!(held.actions, []);
    assert!(matches!(held.record.observed.held, Some(Hold::Floor(_))));
}

#[test]
fn reassert_waits_half_a_minute_for_a_server_that_is_gone() {
    for gone in without_server() {
        let mut record = draining(policy(OtherHands::Reassert));
        for second in 10..40 {
            let waiting = step(&record, &gone, at(second));
            assert!(
                matches!(waiting.record.observed.held, Some(Hold::OtherHand(_))),
                "second {second}"
            );
            assert_eq!(waiting.actions, []);
            record = waiting.record;
        }
        let back = step(&record, &facts(server(5), flows()), at(40));
        assert_eq!(back.actions, [Action::Quiesce]);
        let given_up = step(&record, &gone, at(40));
        assert_eq!(given_up.record.state, State::Yielded);
    }
}

#[test]
fn alarm_holds_until_it_is_undone() {
    for record in in_each_state(policy(OtherHands::Alarm)) {
        let raised = run(record, &facts(server(4), flows()), 20, 400);
        assert_eq!(
            raised.record.observed.held,
            Some(Hold::OtherHand(OtherHand::Raised(4)))
        );
        assert_eq!(raised.actions, []);
        let undone = step(&raised.record, &facts(server(0), flows()), at(401));
        assert_eq!(undone.record.observed.held, None);
    }
}

#[test]
fn what_another_hand_made_of_the_server_is_what_comes_back() {
    let mut changed = server(0);
    changed.configuration.upper_threshold = 99;
    let record = step(&draining(Policy::default()), &facts(changed, flows()), at(5)).record;
    let expected = Configuration {
        upper_threshold: 99,
        ..server(5).configuration
    };
    assert_eq!(record.before, expected);
}
