//! Schedulers that drop at weight 0, persistent services, and the settings that help: refused, borrowed, given back.

use super::step_tests::{NEEDED, around, ask, at, begun, draining, facts, flows, request, run, server};
use super::*;

fn under(at_zero: AtZero, weight: u32) -> Facts {
    Facts {
        service: Evidence::Known(Some(around(at_zero))),
        ..facts(server(weight), flows())
    }
}

fn persistent(weight: u32, template: bool) -> Facts {
    Facts {
        service: Evidence::Known(Some(Service {
            persistent: true,
            ..around(AtZero::Skips)
        })),
        expire_quiescent_template: Evidence::Known(template),
        ..facts(server(weight), flows())
    }
}

fn with_fallback() -> Policy {
    Policy {
        fallback: FallbackUse::Set,
        ..Policy::default()
    }
}

#[test]
fn a_scheduler_that_drops_is_refused_unless_its_flag_is_on_or_may_be_set() {
    let asked = |policy, at_zero| ask(&request(policy), &under(at_zero, 5));
    let said = asked(Policy::default(), AtZero::Fallback(false))
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("--fallback set") && said.contains("mh-fallback"),
        "{said}"
    );
    assert!(asked(Policy::default(), AtZero::Fallback(true)).is_ok());
    assert!(asked(with_fallback(), AtZero::Fallback(false)).is_ok());
    let said = asked(with_fallback(), AtZero::Drops).unwrap_err().to_string();
    assert!(said.contains("no flag against it"), "{said}");
    let unread = Facts {
        service: Evidence::Unknown("EIO".to_owned()),
        ..facts(server(5), flows())
    };
    assert!(matches!(
        ask(&request(with_fallback()), &unread),
        Err(Refusal::TableUnknown(_))
    ));
}

#[test]
fn the_flag_is_on_before_the_weight_is_0_and_off_after_the_server_is_gone() {
    let record = ask(&request(with_fallback()), &under(AtZero::Fallback(false), 5)).unwrap();
    let first = step(&record, &under(AtZero::Fallback(false), 5), at(0));
    assert_eq!(
        first.actions,
        [Action::Set(Setting::Fallback, true), Action::Quiesce]
    );
    assert!(first.record.borrowed.fallback.is_some(), "journalled first");
    let end = run(first.record, &under(AtZero::Fallback(true), 0), 0, NEEDED);
    assert!(matches!(
        end.actions[..],
        [Action::Set(Setting::ExpireNodest, true), Action::Remove { .. }]
    ));
    let gone = Facts {
        table: Table::NoServer,
        ..under(AtZero::Fallback(true), 0)
    };
    let removed = step(&end.record, &gone, at(NEEDED));
    assert_eq!(
        removed.actions.first(),
        Some(&Action::Set(Setting::Fallback, false))
    );
    let off = Facts {
        table: Table::NoServer,
        ..under(AtZero::Fallback(false), 0)
    };
    assert_eq!(
        step(&removed.record, &off, at(NEEDED + 1))
            .record
            .borrowed
            .fallback,
        None
    );
}

#[test]
fn the_flag_stays_on_for_another_drain_of_the_service() {
    let record = ask(&request(with_fallback()), &under(AtZero::Fallback(false), 5)).unwrap();
    let mut record = step(&record, &under(AtZero::Fallback(false), 5), at(0)).record;
    record.state = State::Yielded;
    let other = Record {
        borrowed: record.borrowed,
        ..record.clone()
    };
    let shared = |same_service| {
        let mut borrowed = Borrowed::default();
        borrowed.add(&other.borrowed, same_service);
        Facts {
            borrowed_elsewhere: borrowed,
            ..under(AtZero::Fallback(true), 3)
        }
    };
    assert_eq!(step(&record, &shared(true), at(1)).actions, [Action::Unwatch]);
    let last = step(&record, &shared(false), at(1));
    assert_eq!(last.actions[0], Action::Set(Setting::Fallback, false));
}

#[test]
fn a_flag_that_another_hand_turned_off_is_not_fought_for() {
    let record = ask(&request(with_fallback()), &under(AtZero::Fallback(false), 5)).unwrap();
    let set = step(&record, &under(AtZero::Fallback(false), 5), at(0)).record;
    // Not seen on yet: a crash may have come between.
    let again = step(&set, &under(AtZero::Fallback(false), 0), at(1));
    let again = step(&again.record, &under(AtZero::Fallback(false), 0), at(2));
    assert_eq!(again.actions, [Action::Set(Setting::Fallback, true)]);
    let on = step(&again.record, &under(AtZero::Fallback(true), 0), at(3)).record;
    let off = step(&on, &under(AtZero::Fallback(false), 0), at(4));
    assert_eq!(off.actions, []);
}

#[test]
fn templates_expire_only_where_the_policy_says_set() {
    let set = Policy {
        persistence: PersistenceUse::Set,
        ..Policy::default()
    };
    let first = step(&begun(set), &persistent(5, false), at(0));
    assert_eq!(
        first.actions,
        [Action::Set(Setting::QuiescentTemplate, true), Action::Quiesce]
    );
    let restored = Record {
        state: State::Restored,
        ..first.record
    };
    let back = step(&restored, &persistent(5, true), at(9));
    assert_eq!(back.actions[0], Action::Set(Setting::QuiescentTemplate, false));
    assert_eq!(
        step(&begun(Policy::default()), &persistent(5, false), at(0)).actions,
        [Action::Quiesce]
    );
    let plain = step(&begun(set), &facts(server(5), flows()), at(0));
    assert_eq!(plain.actions, [Action::Quiesce], "not a persistent service");
}

#[test]
fn flows_that_began_after_weight_0_are_told_with_cause_and_remedy() {
    let started = |facts: Facts, started| Facts {
        flows: Evidence::Known(Flows { started, ..flows() }),
        ..facts
    };
    let leaks = |facts: Facts| {
        let before = step(&draining(Policy::default()), &started(facts.clone(), 7), at(1));
        assert_eq!(before.record.observed.leaks, None);
        let after = step(&before.record, &started(facts, 9), at(2));
        assert!(
            matches!(after.notes.last(), Some(Note::Leaking(_))),
            "{:?}",
            after.notes
        );
        let leaks = after.record.observed.leaks.unwrap();
        assert_eq!(leaks.flows, 2);
        (leaks.cause, leaks.remedy)
    };
    let (cause, remedy) = leaks(persistent(0, false));
    assert!(cause.contains("persistent") && remedy.contains("--persistence set"));
    let (cause, _) = leaks(under(AtZero::Fallback(false), 0));
    assert!(cause.contains("scheduler"));
    let reusing = Facts {
        reuses_connections: Evidence::Known(true),
        ..facts(server(0), flows())
    };
    assert!(leaks(reusing).0.contains("conn_reuse_mode"));
    assert!(leaks(facts(server(0), flows())).0.contains("another director"));
}

#[test]
fn another_watch_counts_leaks_anew() {
    let counted = |watched, started| {
        let flows = Flows {
            watched_since: at(watched),
            started,
            ..flows()
        };
        facts(server(0), flows)
    };
    let record = step(&draining(Policy::default()), &counted(0, 9), at(1)).record;
    let anew = step(&record, &counted(2, 0), at(3)).record;
    assert_eq!(anew.observed.leaks, None);
    assert_eq!(
        step(&anew, &counted(2, 1), at(4))
            .record
            .observed
            .leaks
            .unwrap()
            .flows,
        1
    );
}

#[test]
fn before_5_9_no_entry_may_be_left() {
    let old = |inactive| Facts {
        flushes_entries: false,
        expire_nodest_conn: Evidence::Known(true),
        ..facts(
            Server {
                inactive,
                ..server(0)
            },
            flows(),
        )
    };
    let held = run(draining(Policy::default()), &old(1), 1, 100);
    assert_eq!(held.record.observed.held, Some(Hold::EntriesLeft(1)));
    let empty = step(&held.record, &old(0), at(101));
    assert_eq!(
        empty.actions,
        [Action::Remove {
            needs_expire_nodest: false
        }]
    );
}
