//! After the removal: how long the watch stays, what is settled, and when a drain is over.

use super::step_tests::{NEEDED, at, draining, facts, flows, run, server};
use super::*;

const COUNT: Arrivals = Arrivals {
    arrived: 90,
    elsewhere: 12,
    moved: 4,
    lost: 0,
};

fn witnessed(arrivals: Arrivals) -> Flows {
    Flows {
        forwarded: 78,
        arrivals: Some(arrivals),
        ..flows()
    }
}

/// Facts about a server that is gone.
fn gone(flows: Flows) -> Facts {
    Facts {
        table: Table::NoServer,
        expire_nodest_conn: Evidence::Known(false),
        ..facts(server(0), flows)
    }
}

/// A drain whose removal was asked for at second `NEEDED`, with so many entries left.
fn asked(entries: u32) -> Record {
    let idle = facts(
        Server {
            inactive: entries,
            ..server(0)
        },
        witnessed(Arrivals::default()),
    );
    run(draining(Policy::default()), &idle, 1, NEEDED).record
}

fn unknown(step: &Step) -> &str {
    match &step.record.outcome {
        Some(Outcome::Uncounted { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_watch_stays_for_five_seconds_and_the_count_is_kept() {
    let early = run(asked(0), &gone(witnessed(COUNT)), NEEDED, NEEDED + 4);
    assert_eq!((early.record.state, early.actions.len()), (State::Removed, 0));
    assert!(early.record.is_counting() && !early.record.is_over());

    let late = Arrivals { lost: 2, ..COUNT };
    let settled = step(&early.record, &gone(witnessed(late)), at(NEEDED + 5));
    assert_eq!(settled.actions, [Action::Unwatch]);
    let outcome = Outcome::Counted {
        forwarded: 78,
        arrivals: late,
    };
    assert_eq!(settled.record.outcome, Some(outcome.clone()), "the last count");
    assert_eq!(settled.notes, [Note::Settled(outcome)]);
    assert!(settled.record.is_over());

    let after = step(&settled.record, &gone(witnessed(COUNT)), at(NEEDED + 6)).record;
    assert_eq!(after.outcome, settled.record.outcome, "settled is settled");
}

#[test]
fn a_long_flush_makes_a_long_aftermath() {
    let seven_seconds = asked(100_000);
    let early = run(seven_seconds.clone(), &gone(witnessed(COUNT)), NEEDED, NEEDED + 6);
    assert!(early.record.is_counting());
    let settled = run(seven_seconds, &gone(witnessed(COUNT)), NEEDED, NEEDED + 7);
    assert!(settled.record.outcome.is_some());
}

#[test]
fn a_count_is_not_over_before_the_sysctl_is_back() {
    let on = Facts {
        expire_nodest_conn: Evidence::Known(true),
        ..gone(witnessed(COUNT))
    };
    let settled = run(asked(0), &on, NEEDED, NEEDED + 5).record;
    assert!(settled.outcome.is_some() && !settled.is_over());
}

#[test]
fn nothing_is_waited_for_where_nothing_would_be_learned() {
    let causes = |better_rung: Option<&str>, arrivals: Option<&str>| Lacking {
        better_rung: better_rung.map(str::to_owned),
        arrivals: arrivals.map(str::to_owned),
    };
    let counters = Flows {
        rung: Rung::Counters,
        ..witnessed(COUNT)
    };
    for (flows, lacking, expected) in [
        (flows(), causes(None, None), "arrivals are not witnessed"),
        (
            flows(),
            causes(None, Some("eth0 takes no XDP")),
            "arrivals are not witnessed: eth0 takes no XDP",
        ),
        (
            counters,
            causes(Some("no BTF"), None),
            "flows cannot be counted: no BTF",
        ),
    ] {
        let facts = Facts {
            lacking,
            ..gone(flows)
        };
        let removed = step(&asked(0), &facts, at(NEEDED));
        assert_eq!(removed.record.state, State::Removed);
        assert_eq!(removed.actions, [Action::Unwatch], "{expected}");
        assert_eq!(unknown(&removed), expected);
        assert!(!removed.record.is_over(), "{expected}: the sysctl is still owed");
        assert!(step(&removed.record, &facts, at(NEEDED + 2)).record.is_over());
    }
}

#[test]
fn a_watch_that_is_gone_leaves_the_count_unknown_at_once() {
    let restarted = Facts {
        flows: Evidence::Unknown("not watched".to_owned()),
        watched: false,
        ..gone(flows())
    };
    let removed = step(&asked(0), &restarted, at(NEEDED + 1));
    assert_eq!(removed.actions, []);
    assert!(unknown(&removed).contains("did not last"));
    assert!(step(&removed.record, &restarted, at(NEEDED + 2)).record.is_over());
}

#[test]
fn evidence_that_fails_for_a_moment_does_not_end_the_count() {
    let failing = Facts {
        flows: Evidence::Unknown("the flow table was full".to_owned()),
        ..gone(flows())
    };
    let waiting = run(asked(0), &failing, NEEDED, NEEDED + 4);
    assert!(waiting.record.is_counting());
    let back = step(&waiting.record, &gone(witnessed(COUNT)), at(NEEDED + 5));
    assert!(matches!(back.record.outcome, Some(Outcome::Counted { .. })));
    let never = step(&waiting.record, &failing, at(NEEDED + 5));
    assert_eq!(unknown(&never), "the flow table was full");
    assert_eq!(never.actions, [Action::Unwatch]);
}

#[test]
fn a_watch_that_began_after_the_removal_did_not_see_it() {
    let from = |second| Flows {
        watched_since: at(second),
        ..witnessed(COUNT)
    };
    let late = step(&asked(0), &gone(from(NEEDED + 1)), at(NEEDED + 2));
    assert!(unknown(&late).contains("anew"));
    let whole = step(&asked(0), &gone(from(NEEDED)), at(NEEDED + 5));
    assert!(matches!(whole.record.outcome, Some(Outcome::Counted { .. })));
}

#[test]
fn a_restore_ends_the_count_and_the_watch_at_its_own_end() {
    let removed = step(&asked(0), &gone(witnessed(COUNT)), at(NEEDED + 1)).record;
    let restoring = restore(&removed, at(NEEDED + 2)).unwrap();
    let adding = step(&restoring, &gone(witnessed(COUNT)), at(NEEDED + 2));
    assert_eq!(adding.actions, [Action::Add(server(5).configuration)]);
    let back = step(
        &adding.record,
        &facts(server(5), witnessed(COUNT)),
        at(NEEDED + 20),
    );
    assert_eq!(back.record.state, State::Restored);
    assert_eq!(back.actions, [Action::Unwatch]);
    assert_eq!(back.record.outcome, None, "a count that is not whole is none");
    assert!(back.record.is_over());
}

#[test]
fn another_hands_removal_has_no_aftermath() {
    let yielded = step(&draining(Policy::default()), &gone(witnessed(COUNT)), at(NEEDED));
    assert_eq!(yielded.record.state, State::Yielded);
    assert_eq!(yielded.actions, [Action::Unwatch]);
    assert!(yielded.record.is_over() && yielded.record.outcome.is_none());
}

#[test]
fn an_outcome_is_told_in_a_sentence() {
    let counted = |lost| Outcome::Counted {
        forwarded: 78,
        arrivals: Arrivals { lost, ..COUNT },
    };
    assert_eq!(counted(0).to_string(), "0 packets lost, 4 flows re-scheduled");
    assert!(!counted(0).has_losses() && counted(1).has_losses());
    assert_eq!(
        Outcome::unknown("no XDP").to_string(),
        "lost packets were not counted (no XDP)"
    );
}

/// As it was written before rungs, arrivals and outcomes were known.
const OLD_RECORD: &str = r#"{"id":0,"service":"udp:10.0.0.1:53","server":"10.1.0.5:53","who":"tester","why":"",
    "policy":{"udp_quiet_secs":10,"tcp_quiet_secs":30,"closing_quiet_secs":10,"pinned":"wait","sysctl":"scoped"},
    "before":{"forwarding":"direct_route","weight":5,"upper_threshold":7,"lower_threshold":3},"state":"removed",
    "transitions":[{"at":1000000000000,"from":"pooled","to":"draining","why":"its weight is 0"},
    {"at":1001000000000,"from":"draining","to":"quiet","why":"no live flow; silent for 1 of 10 s"},
    {"at":1010000000000,"from":"quiet","to":"drained","why":"no live flow and no packet for 10 s, by both witnesses"},
    {"at":1011000000000,"from":"drained","to":"removed","why":"proven empty, taken out of the table"}],
    "removal":{"asked_at":1010000000000,"entries":0,"migrated":0},"borrowed_expire_nodest":null,"boot_id":"boot",
    "started_at":1000000000000,"started_unix":0,"observed":{"at":null,"flows":null,"active":0,"entries":0,
    "witness":null,"held":null,"failed":null}}"#;

#[test]
fn a_record_of_before_outcomes_is_read_and_settled() {
    let old: Record = serde_json::from_str(OLD_RECORD).unwrap();
    assert_eq!((old.state, &old.outcome), (State::Removed, &None));
    let unwatched = Facts {
        flows: Evidence::Unknown("not watched".to_owned()),
        watched: false,
        ..gone(flows())
    };
    let settled = step(&old, &unwatched, at(900));
    assert!(settled.record.is_over() && unknown(&settled).contains("did not last"));
    let text = serde_json::to_string(&settled.record.durable()).unwrap();
    assert_eq!(
        serde_json::from_str::<Record>(&text).unwrap(),
        settled.record.durable()
    );
}
