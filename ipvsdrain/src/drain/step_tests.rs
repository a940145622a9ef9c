//! The decision table: each condition on both sides of its edge.

use super::*;
use crate::forwarding::{Configuration, Forwarding};
use crate::moment::Moment;

pub(super) const NEEDED: u64 = 10;

pub(super) fn at(secs: u64) -> Moment {
    Moment::from_secs(1000 + secs)
}

pub(super) fn server(weight: u32) -> Server {
    Server {
        configuration: Configuration {
            forwarding: Forwarding::DirectRoute,
            weight,
            upper_threshold: 7,
            lower_threshold: 3,
        },
        active: 0,
        inactive: 0,
        persistent: 0,
        packets: 500,
        packets_out: 0,
    }
}

/// A service with two more servers like this one.
pub(super) fn around(at_zero: AtZero) -> Service {
    let other = |last: u8| Member {
        server: crate::identity::RealServer(([10, 1, 0, last], 53).into()),
        weight: 5,
        full: 5,
    };
    Service {
        scheduler: Scheduler {
            name: "mh".to_owned(),
            at_zero,
        },
        persistent: false,
        others: vec![other(6), other(7)],
    }
}

pub(super) const ENOUGH: Capacity = Capacity {
    servers_left: 2,
    servers_total: 3,
    weight_left: 10,
    weight_total: 15,
};

pub(super) fn flows() -> Flows {
    Flows {
        udp: 0,
        tcp_open: 0,
        tcp_closing: 0,
        forwarded: 0,
        packets: 0,
        started: 0,
        last_packet: None,
        watched_since: at(0),
        rung: Rung::Probes,
        arrivals: None,
    }
}

pub(super) fn facts(server: Server, flows: Flows) -> Facts {
    Facts {
        table: Table::Present(server),
        flows: Evidence::Known(flows),
        lacking: Lacking::default(),
        counters: Evidence::Known(()),
        service: Evidence::Known(Some(around(AtZero::Skips))),
        capacity: ENOUGH,
        expire_nodest_conn: Evidence::Known(false),
        expire_quiescent_template: Evidence::Known(false),
        reuses_connections: Evidence::Known(false),
        flushes_entries: true,
        borrowed_elsewhere: Borrowed::default(),
        health: None,
        watched: true,
    }
}

pub(super) fn request(policy: Policy) -> Request {
    Request {
        service: "udp:10.0.0.1:53".parse().unwrap(),
        server: "10.1.0.5:53".parse().unwrap(),
        policy,
        reason: Reason::Planned,
        who: "tester".to_owned(),
        why: String::new(),
        ticket: String::new(),
        forced: false,
        shadow: false,
        weight_before: None,
        failure: None,
    }
}

/// Asks for a drain of what these facts show.
pub(super) fn ask(request: &Request, facts: &Facts) -> Result<Record, Refusal> {
    ask_at(request, facts, at(0))
}

pub(super) fn ask_at(request: &Request, facts: &Facts, now: Moment) -> Result<Record, Refusal> {
    let ground = Ground {
        table: &facts.table,
        service: match &facts.service {
            Evidence::Known(service) => service.as_ref(),
            Evidence::Unknown(_) => None,
        },
        capacity: facts.capacity,
        boot_id: "boot",
        now_unix: 0,
    };
    begin(request, &ground, now)
}

pub(super) fn begun(policy: Policy) -> Record {
    ask(&request(policy), &facts(server(5), flows())).unwrap()
}

/// A drain that was found at weight 0 at second 0.
pub(super) fn draining(policy: Policy) -> Record {
    step(&begun(policy), &facts(server(0), flows()), at(0)).record
}

/// Steps once a second with the same facts, up to and including second `until`.
pub(super) fn run(mut record: Record, facts: &Facts, from: u64, until: u64) -> Step {
    for second in from..until {
        record = step(&record, facts, at(second)).record;
    }
    step(&record, facts, at(until))
}

/// What `expire_nodest_conn` is owed.
fn owed(record: &Record) -> Option<bool> {
    record.borrowed.expire_nodest.map(|loan| loan.before)
}

const SCOPED_REMOVAL: [Action; 2] = [
    Action::Set(Setting::ExpireNodest, true),
    Action::Remove {
        needs_expire_nodest: true,
    },
];

#[test]
fn a_drain_watches_before_it_quiesces() {
    let unwatched = Facts {
        watched: false,
        ..facts(server(5), flows())
    };
    let first = step(&begun(Policy::default()), &unwatched, at(0));
    assert_eq!(first.actions, [Action::Watch, Action::Quiesce]);
    assert_eq!(
        first.record.state,
        State::Pooled,
        "not draining before the kernel confirms the weight"
    );
    assert_eq!(draining(Policy::default()).state, State::Draining);
}

#[test]
fn silence_of_the_whole_window_and_not_a_second_less_removes() {
    let idle = facts(server(0), flows());
    let before = run(draining(Policy::default()), &idle, 1, NEEDED - 1);
    assert_eq!((before.record.state, before.actions.len()), (State::Quiet, 0));
    let after = run(draining(Policy::default()), &idle, 1, NEEDED);
    assert_eq!(after.record.state, State::Drained);
    assert_eq!(after.actions, SCOPED_REMOVAL);
    assert_eq!(
        owed(&after.record),
        Some(false),
        "journalled before it is touched"
    );
    assert!(after.record.removal.is_some());
}

#[test]
fn removal_is_confirmed_by_the_table_alone() {
    let idle = facts(server(0), flows());
    let drained = run(draining(Policy::default()), &idle, 1, NEEDED).record;
    let gone = Facts {
        table: Table::NoServer,
        ..idle.clone()
    };
    let removed = step(&drained, &gone, at(NEEDED));
    assert_eq!(removed.record.state, State::Removed);
    assert_eq!(removed.actions, [Action::Unwatch]);
    assert!(!removed.record.is_over(), "the sysctl is still owed");

    let someone_else = step(&draining(Policy::default()), &gone, at(1));
    assert_eq!(someone_else.record.state, State::Yielded);
}

#[test]
fn a_borrowed_sysctl_is_put_back_after_the_flush_in_every_state() {
    let idle = facts(server(0), flows());
    let drained = run(draining(Policy::default()), &idle, 1, NEEDED).record;
    let on = Facts {
        table: Table::NoServer,
        expire_nodest_conn: Evidence::Known(true),
        watched: false,
        ..idle
    };
    for state in [State::Drained, State::Removed, State::Yielded] {
        let record = Record {
            state,
            ..drained.clone()
        };
        assert_eq!(
            step(&record, &on, at(NEEDED + 1)).actions,
            [],
            "{state}: the kernel may still flush"
        );
        let due = step(&record, &on, at(NEEDED + 2));
        assert_eq!(
            due.actions,
            [Action::Set(Setting::ExpireNodest, false)],
            "{state}"
        );
        assert_eq!(owed(&due.record), Some(false), "owed until it reads 0");
        let off = Facts {
            expire_nodest_conn: Evidence::Known(false),
            ..on.clone()
        };
        assert_eq!(owed(&step(&due.record, &off, at(NEEDED + 2)).record), None);
    }
}

#[test]
fn a_larger_table_gets_a_longer_flush() {
    let crowd = facts(
        Server {
            inactive: 40_000,
            ..server(0)
        },
        flows(),
    );
    let record = run(draining(Policy::default()), &crowd, 1, NEEDED).record;
    let on = Facts {
        table: Table::NoServer,
        expire_nodest_conn: Evidence::Known(true),
        ..crowd
    };
    let removed = step(&record, &on, at(NEEDED + 3)).record;
    assert_eq!(step(&removed, &on, at(NEEDED + 3)).actions, [Action::Unwatch]);
    assert_eq!(
        step(&removed, &on, at(NEEDED + 4)).actions[0],
        Action::Set(Setting::ExpireNodest, false)
    );
}

#[test]
fn two_drains_share_one_borrowed_sysctl() {
    let lent = Facts {
        expire_nodest_conn: Evidence::Known(true),
        borrowed_elsewhere: Borrowed {
            expire_nodest: Some(Loan {
                before: false,
                seen_on: true,
            }),
            ..Borrowed::default()
        },
        ..facts(server(0), flows())
    };
    let second = run(draining(Policy::default()), &lent, 1, NEEDED);
    assert_eq!(
        second.actions,
        [Action::Remove {
            needs_expire_nodest: true
        }]
    );
    assert_eq!(
        owed(&second.record),
        Some(false),
        "it must last for this flush too"
    );

    let gone = Facts {
        table: Table::NoServer,
        watched: false,
        ..lent
    };
    let left_to_the_other = step(&second.record, &gone, at(NEEDED + 2));
    assert_eq!(
        (left_to_the_other.actions, owed(&left_to_the_other.record)),
        (vec![], None)
    );
    let last = Facts {
        borrowed_elsewhere: Borrowed::default(),
        health: None,
        ..gone
    };
    assert_eq!(
        step(&second.record, &last, at(NEEDED + 2)).actions,
        [Action::Set(Setting::ExpireNodest, false)]
    );
}

#[test]
fn every_kind_of_live_flow_keeps_the_server() {
    let live = [
        Flows { udp: 1, ..flows() },
        Flows {
            tcp_open: 1,
            ..flows()
        },
        Flows {
            tcp_closing: 1,
            ..flows()
        },
    ];
    for flows in live {
        let last = run(draining(Policy::default()), &facts(server(0), flows), 1, 300);
        assert_eq!(
            (last.record.state, last.actions.len()),
            (State::Draining, 0),
            "{flows:?}"
        );
    }
    let silent_tcp = Server {
        active: 1,
        ..server(0)
    };
    let last = run(draining(Policy::default()), &facts(silent_tcp, flows()), 1, 300);
    assert_eq!((last.record.state, last.actions.len()), (State::Draining, 0));
}

#[test]
fn pinned_udp_is_waited_for_or_migrated_as_the_policy_says() {
    let counted = |second: u64| {
        facts(
            Server {
                packets: 500 + second,
                ..server(0)
            },
            Flows {
                udp: 3,
                last_packet: Some(at(second)),
                ..flows()
            },
        )
    };
    for (pinned, migrates) in [(Pinned::Wait, false), (Pinned::Migrate, true)] {
        let mut record = draining(Policy {
            pinned,
            ..Policy::default()
        });
        for second in 1..NEEDED {
            let next = step(&record, &counted(second), at(second));
            assert_eq!(next.actions, [], "second {second}: they had no time to end");
            record = next.record;
        }
        let next = step(&record, &counted(NEEDED), at(NEEDED));
        assert_eq!(next.actions == SCOPED_REMOVAL, migrates);
        assert_eq!(
            next.record.removal.map_or(0, |removal| removal.migrated),
            if migrates { 3 } else { 0 }
        );
    }
}

#[test]
fn tcp_is_never_migrated() {
    let policy = Policy {
        pinned: Pinned::Migrate,
        ..Policy::default()
    };
    let both = Flows {
        udp: 3,
        tcp_open: 1,
        ..flows()
    };
    assert_eq!(run(draining(policy), &facts(server(0), both), 1, 300).actions, []);
}

#[test]
fn without_the_sysctl_the_last_entry_must_be_gone() {
    let policy = Policy {
        sysctl: SysctlUse::Never,
        ..Policy::default()
    };
    let left = facts(
        Server {
            inactive: 1,
            ..server(0)
        },
        flows(),
    );
    let held = run(draining(policy), &left, 1, 200);
    assert_eq!(held.record.observed.held, Some(Hold::EntriesLeft(1)));
    assert_eq!(held.actions, []);
    let gone = step(&held.record, &facts(server(0), flows()), at(201));
    assert_eq!(
        gone.actions,
        [Action::Remove {
            needs_expire_nodest: false
        }]
    );

    let pinned = Policy {
        pinned: Pinned::Migrate,
        ..policy
    };
    let live = facts(server(0), Flows { udp: 1, ..flows() });
    assert_eq!(
        run(draining(pinned), &live, 1, 200).record.observed.held,
        Some(Hold::MigrationNeedsSysctl)
    );
}

#[test]
fn another_hand_is_yielded_to() {
    let raised = step(&draining(Policy::default()), &facts(server(4), flows()), at(3));
    assert_eq!(raised.record.state, State::Yielded);
    assert_eq!(raised.actions, [Action::Unwatch]);
}

#[test]
fn restore_gives_back_the_weight_or_the_whole_server() {
    let asked = restore(&draining(Policy::default()), at(4)).unwrap();
    let idle = facts(server(0), flows());
    assert_eq!(step(&asked, &idle, at(5)).actions, [Action::SetWeight(5)]);
    let back = step(&asked, &facts(server(5), flows()), at(6));
    assert_eq!(back.record.state, State::Restored);

    let drained = run(draining(Policy::default()), &idle, 1, NEEDED).record;
    let gone = Facts {
        table: Table::NoServer,
        ..idle
    };
    let removed = step(&drained, &gone, at(NEEDED + 1)).record;
    let asked = restore(&removed, at(50)).unwrap();
    assert_eq!(
        step(&asked, &gone, at(51)).actions.first(),
        Some(&Action::Add(server(5).configuration))
    );
    assert!(
        restore(&back.record, at(60)).is_err(),
        "a finished restore is not restored again"
    );
}
