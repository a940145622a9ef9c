//! The two witnesses: what is unknown, late, contradictory or frozen, and on both sides of each edge.

use super::step_tests::{NEEDED, at, draining, facts, flows, run, server};
use super::*;

#[test]
fn unknown_evidence_holds_and_names_its_cause() {
    let idle = facts(server(0), flows());
    let cases = [
        (
            Facts {
                flows: Evidence::Unknown("no BTF".to_owned()),
                ..idle.clone()
            },
            "no BTF",
        ),
        (
            Facts {
                counters: Evidence::Unknown("frozen".to_owned()),
                ..idle.clone()
            },
            "frozen",
        ),
        (
            Facts {
                table: Table::Unknown("EPERM".to_owned()),
                ..idle.clone()
            },
            "EPERM",
        ),
        (
            Facts {
                expire_nodest_conn: Evidence::Unknown("EACCES".to_owned()),
                ..idle.clone()
            },
            "EACCES",
        ),
    ];
    for (facts, cause) in cases {
        let last = run(draining(Policy::default()), &facts, 1, 900);
        let held = last.record.observed.held.expect("held").to_string();
        assert!(held.contains(cause), "{held}");
        assert_eq!(last.actions, [], "{cause}");
    }
}

#[test]
fn a_watch_that_began_late_proves_nothing_about_before() {
    let late = Flows {
        watched_since: at(95),
        ..flows()
    };
    let early = run(
        draining(Policy::default()),
        &facts(server(0), late),
        1,
        95 + NEEDED - 1,
    );
    assert_eq!((early.record.state, early.actions.len()), (State::Quiet, 0));
    let whole = run(
        draining(Policy::default()),
        &facts(server(0), late),
        1,
        95 + NEEDED,
    );
    assert_eq!(whole.record.state, State::Drained);
}

#[test]
fn a_counter_that_moves_unseen_means_the_observer_is_blind() {
    let record = run(draining(Policy::default()), &facts(server(0), flows()), 1, 8).record;
    let moved = facts(
        Server {
            packets: 501,
            ..server(0)
        },
        flows(),
    );
    let blind = step(&record, &moved, at(9));
    assert_eq!(blind.record.observed.held, Some(Hold::ObserverBlind));
    let still_blind = run(blind.record.clone(), &moved, 10, 9 + NEEDED - 1);
    assert_eq!(still_blind.record.observed.held, Some(Hold::ObserverBlind));
    let silent = run(blind.record, &moved, 10, 9 + NEEDED);
    assert_eq!(
        silent.record.state,
        State::Drained,
        "both were silent for a whole window since"
    );
}

#[test]
fn a_packet_the_observer_saw_may_be_counted_late() {
    let record = run(draining(Policy::default()), &facts(server(0), flows()), 1, 8).record;
    let seen = Flows {
        last_packet: Some(at(5)),
        ..flows()
    };
    let moved = facts(
        Server {
            packets: 501,
            ..server(0)
        },
        seen,
    );
    assert_eq!(step(&record, &moved, at(9)).record.observed.held, None);
}

#[test]
fn a_counter_that_stands_still_under_traffic_is_frozen() {
    let seen = |second| {
        facts(
            server(0),
            Flows {
                udp: 1,
                last_packet: Some(at(second)),
                ..flows()
            },
        )
    };
    let mut record = draining(Policy {
        pinned: Pinned::Migrate,
        ..Policy::default()
    });
    for second in 1..=6 {
        record = step(&record, &seen(second), at(second)).record;
        assert_eq!(record.observed.held, None, "second {second}");
    }
    let frozen = step(&record, &seen(7), at(7));
    assert_eq!(frozen.record.observed.held, Some(Hold::CountersFrozen));
    assert_eq!(run(frozen.record, &seen(100), 8, 300).actions, []);
}

#[test]
fn a_packet_of_an_earlier_watch_does_not_freeze_the_counter_of_a_new_one() {
    let flows = |watched, last_packet| {
        let flows = Flows {
            watched_since: at(watched),
            last_packet,
            ..flows()
        };
        facts(server(0), flows)
    };
    let before = step(&draining(Policy::default()), &flows(0, Some(at(2))), at(2)).record;
    let silent = run(before.clone(), &flows(0, Some(at(2))), 3, 8);
    assert_eq!(silent.record.observed.held, Some(Hold::CountersFrozen));
    let anew = run(before, &flows(3, None), 4, 12);
    assert_eq!(
        (anew.record.observed.held, anew.record.state),
        (None, State::Quiet)
    );
    assert_eq!(anew.actions, [], "the window is counted from the new watch");
}
