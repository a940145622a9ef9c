//! The ladder: what each rung may conclude, and that a change of rung never concludes too early.

use super::step_tests::{NEEDED, at, draining, facts, flows, run, server};
use super::*;

/// Counters alone may be 5 s late.
const NEEDED_ALONE: u64 = NEEDED + 5;

fn by(rung: Rung, since: u64) -> Flows {
    Flows {
        rung,
        watched_since: at(since),
        ..flows()
    }
}

fn migrating() -> Policy {
    Policy {
        pinned: Pinned::Migrate,
        ..Policy::default()
    }
}

/// Counters alone, with that many packets so far.
fn alone(packets: u64) -> Facts {
    let server = Server { packets, ..server(0) };
    facts(server, by(Rung::Counters, 0))
}

#[test]
fn arrivals_are_judged_as_probes_are() {
    let idle = facts(server(0), by(Rung::Arrivals, 0));
    let early = run(draining(Policy::default()), &idle, 1, NEEDED - 1);
    assert_eq!((early.record.state, early.actions.len()), (State::Quiet, 0));
    let whole = run(draining(Policy::default()), &idle, 1, NEEDED);
    assert_eq!(whole.record.state, State::Drained);

    let moved = facts(
        Server {
            packets: 501,
            ..server(0)
        },
        by(Rung::Arrivals, 0),
    );
    let blind = step(
        &run(draining(Policy::default()), &idle, 1, 8).record,
        &moved,
        at(9),
    );
    assert_eq!(blind.record.observed.held, Some(Hold::ObserverBlind));

    let live = facts(
        server(0),
        Flows {
            udp: 2,
            ..by(Rung::Arrivals, 0)
        },
    );
    let migrated = run(draining(migrating()), &live, 1, NEEDED);
    assert_eq!(migrated.record.removal.map(|removal| removal.migrated), Some(2));
}

#[test]
fn counters_alone_need_their_own_delay_more() {
    let early = run(draining(Policy::default()), &alone(500), 1, NEEDED_ALONE - 1);
    assert_eq!((early.record.state, early.actions.len()), (State::Draining, 0));
    let whole = run(draining(Policy::default()), &alone(500), 1, NEEDED_ALONE);
    assert_eq!(whole.record.state, State::Drained);
    assert_eq!(whole.actions.len(), 2, "{:?}", whole.actions);
    let why = &whole.record.transitions.last().unwrap().why;
    assert!(why.contains("by the kernel's counters alone"), "{why}");
}

#[test]
fn counters_alone_never_blame_an_observer_that_counts_nothing() {
    let still = run(draining(Policy::default()), &alone(500), 1, 30 - 1).record;
    let record = Record {
        state: State::Draining,
        removal: None,
        borrowed: Borrowed::default(),
        ..still
    };
    let moved = step(&record, &alone(501), at(30));
    assert_eq!((moved.record.state, moved.actions.len()), (State::Draining, 0));
    assert_eq!(moved.record.observed.held, None);
    let early = run(moved.record.clone(), &alone(501), 31, 30 + NEEDED_ALONE - 1);
    assert_eq!((early.record.state, early.actions.len()), (State::Draining, 0));
    let whole = run(moved.record, &alone(501), 31, 30 + NEEDED_ALONE);
    assert_eq!(whole.record.state, State::Drained);
}

#[test]
fn counters_alone_keep_a_server_with_open_connections() {
    let open = Facts {
        table: Table::Present(Server {
            active: 1,
            ..server(0)
        }),
        ..alone(500)
    };
    let last = run(draining(Policy::default()), &open, 1, 900);
    assert_eq!((last.record.state, last.actions.len()), (State::Draining, 0));
    assert_eq!(last.record.observed.held, None);
}

#[test]
fn counters_alone_migrate_nothing_and_say_so_once_it_would_be_time() {
    for (pinned, expected) in [
        (Pinned::Wait, None),
        (Pinned::Migrate, Some(Hold::MigrationNeedsFlows)),
    ] {
        let mut record = draining(Policy {
            pinned,
            ..Policy::default()
        });
        for second in 1..=60 {
            let next = step(&record, &alone(500 + second), at(second));
            assert_eq!(next.actions, [], "second {second}");
            let held = expected.clone().filter(|_| second >= NEEDED_ALONE);
            assert_eq!(next.record.observed.held, held, "second {second}");
            record = next.record;
        }
        let silent = run(record, &alone(560), 61, 60 + NEEDED_ALONE);
        assert_eq!(silent.record.state, State::Drained, "waiting is what is left");
        assert_eq!(silent.record.removal.map(|removal| removal.migrated), Some(0));
    }
    assert!(
        !Hold::MigrationNeedsFlows.is_unknown_evidence(),
        "the evidence is known, it is not enough to migrate"
    );
}

#[test]
fn counters_alone_that_stand_still_on_this_host_prove_nothing() {
    let frozen = Facts {
        counters: Evidence::Unknown("run_estimation is 0".to_owned()),
        ..alone(500)
    };
    let last = run(draining(Policy::default()), &frozen, 1, 900);
    assert!(matches!(
        last.record.observed.held,
        Some(Hold::CountersUnknown(_))
    ));

    // Caught by the probes, before these were gone.
    let unseen = facts(
        server(0),
        Flows {
            udp: 1,
            last_packet: Some(at(3)),
            ..flows()
        },
    );
    let caught = run(draining(Policy::default()), &unseen, 1, 5).record;
    let left = run(caught, &alone(500), 6, 900);
    assert_eq!(left.record.observed.held, Some(Hold::CountersFrozen));
    assert_eq!(left.actions, []);
}

#[test]
fn a_reply_moves_the_counter_as_a_request_does() {
    let replied = |rung| {
        let server = Server {
            packets_out: 1,
            ..server(0)
        };
        facts(server, by(rung, 0))
    };
    let still = run(draining(Policy::default()), &alone(500), 1, 9).record;
    let moved = step(&still, &replied(Rung::Counters), at(10));
    let early = run(
        moved.record.clone(),
        &replied(Rung::Counters),
        11,
        10 + NEEDED_ALONE - 1,
    );
    assert_eq!((early.record.state, early.actions.len()), (State::Draining, 0));

    let quiet = run(
        draining(Policy::default()),
        &facts(server(0), flows()),
        1,
        NEEDED - 1,
    );
    let unseen = step(&quiet.record, &replied(Rung::Probes), at(NEEDED));
    assert_eq!(unseen.record.observed.held, Some(Hold::ObserverBlind));
}

#[test]
fn a_server_that_only_replies_has_no_frozen_counter() {
    let streaming = |second: u64, packets_out| {
        facts(
            Server {
                packets_out,
                ..server(0)
            },
            Flows {
                udp: 1,
                last_packet: Some(at(second)),
                ..flows()
            },
        )
    };
    let mut record = draining(Policy::default());
    for second in 1..60 {
        record = step(&record, &streaming(second, second), at(second)).record;
        assert_eq!(record.observed.held, None, "second {second}");
    }
    for second in 60..70 {
        record = step(&record, &streaming(second, 59), at(second)).record;
    }
    assert_eq!(record.observed.held, Some(Hold::CountersFrozen));
}

#[test]
fn a_change_of_rung_begins_the_window_anew() {
    for (first, second, needed) in [
        (Rung::Probes, Rung::Arrivals, NEEDED),
        (Rung::Probes, Rung::Counters, NEEDED_ALONE),
        (Rung::Counters, Rung::Probes, NEEDED),
    ] {
        let before = run(
            draining(Policy::default()),
            &facts(server(0), by(first, 0)),
            1,
            NEEDED - 1,
        );
        assert_eq!(before.actions, []);
        let changed = facts(server(0), by(second, NEEDED));
        let early = run(before.record.clone(), &changed, NEEDED, NEEDED + needed - 1);
        assert_eq!(early.actions, [], "{first} to {second}");
        assert_ne!(early.record.state, State::Drained, "{first} to {second}");
        let whole = run(before.record, &changed, NEEDED, NEEDED + needed);
        assert_eq!(whole.record.state, State::Drained, "{first} to {second}");
    }
}

#[test]
fn a_rung_is_named_in_words_and_in_the_record() {
    assert_eq!(
        [Rung::Probes, Rung::Arrivals, Rung::Counters].map(|rung| rung.to_string()),
        ["probes", "arrivals with seed", "counters alone"]
    );
    let words =
        [Rung::Probes, Rung::Arrivals, Rung::Counters].map(|rung| serde_json::to_string(&rung).unwrap());
    assert_eq!(words, ["\"probes\"", "\"arrivals\"", "\"counters\""]);
    let lacking = Lacking {
        better_rung: Some("no BTF".to_owned()),
        arrivals: None,
    };
    let seen = Facts {
        lacking: lacking.clone(),
        ..alone(500)
    };
    assert_eq!(
        step(&draining(Policy::default()), &seen, at(1))
            .record
            .observed
            .lacking,
        lacking
    );
}
