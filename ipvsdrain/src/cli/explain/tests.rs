//! Every sentence, by the view that it is said of.

use serde_json::json;

use super::super::fixtures::{LIVE, down, failing, view};
use super::{drain, health, no_drain};
use crate::api::{DrainView, HealthView, LiveView, Says, ServerName, Status, TransitionView};
use crate::drain::{Arrivals, Leaks, OnDeadline, OnFailure, Pinned, Policy, Rung, State, Then};

const NOTHING_LIVE: LiveView = LiveView {
    udp: 0,
    tcp_open: 0,
    tcp_closing: 0,
    ..LIVE
};

/// In this state for two of three seconds.
fn at(state: State) -> DrainView {
    DrainView {
        state,
        live: Some(LIVE),
        rung: Some(Rung::Probes),
        entries: 6,
        transitions: vec![TransitionView {
            from: State::Pooled,
            to: state,
            seconds_since_start: 1.0,
            why: "its weight is 0".to_owned(),
        }],
        ..view()
    }
}

fn under(policy: Policy) -> DrainView {
    DrainView {
        policy,
        ..at(State::Draining)
    }
}

/// What is said after this word.
fn said(view: &DrainView, word: &str) -> Option<String> {
    let lines = drain::lines(view);
    let found = lines.iter().find_map(|line| line.strip_prefix(word));
    found.map(|rest| rest.trim_start_matches(": ").to_owned())
}

#[test]
fn a_drain_under_way_is_told_from_standing_to_deadline() {
    assert_eq!(
        drain::lines(&at(State::Draining)),
        [
            "10.1.0.5:53 in udp:10.0.0.1:53 is draining, for 2 s (when that began: its weight is 0), 3 s after the \
             request.",
            "Live: 3 UDP flows, 0 open TCP connections, 1 closing ones; the kernel's table has 6 entries of it.",
            "Pinned: none of them is known to have begun after weight 0; `ipvsdrain flows udp:10.0.0.1:53 \
             10.1.0.5:53` tells each. Clients that never fall silent are waited for, as the policy says; to move \
             them, restore it and drain it with --pinned migrate.",
            "Seen by probes.",
            "Next: once no flow is live and both witnesses were silent for the whole quiet window (udp_quiet 10 s, \
             closing_quiet 10 s), it is removed.",
            "Deadline: none is left; it goes on for as long as it takes.",
        ]
    );
}

#[test]
fn who_asked_is_told_where_it_is_known() {
    let by = |who: &str, why: &str| {
        let view = DrainView {
            who: who.to_owned(),
            why: why.to_owned(),
            ..at(State::Draining)
        };
        drain::lines(&view)[0].clone()
    };
    assert!(by("ann", "update").ends_with("the request, asked for by ann with \"update\"."));
    assert!(by("ann", "").ends_with("the request, asked for by ann."));
    assert!(by("", "update").ends_with("the request, asked for with \"update\"."));
    let fresh = drain::lines(&view())[0].clone();
    assert!(
        fresh.ends_with("is draining, for 3 s, since the request."),
        "{fresh}"
    );
}

#[test]
fn what_is_live_is_counted_unknown_or_not_countable() {
    let live = |live, rung| {
        let view = DrainView {
            live,
            rung,
            ..at(State::Draining)
        };
        said(&view, "Live").unwrap()
    };
    let none = live(Some(NOTHING_LIVE), Some(Rung::Probes));
    assert!(none.starts_with("no flow; "), "{none}");
    let uncountable = live(None, Some(Rung::Counters));
    assert!(
        uncountable.starts_with("flows cannot be counted"),
        "{uncountable}"
    );
    let unknown = live(None, None);
    assert!(unknown.starts_with("not known"), "{unknown}");
}

#[test]
fn pinned_flows_are_told_with_what_the_policy_does_about_them() {
    for (pinned, words) in [
        (Pinned::Wait, "drain it with --pinned migrate."),
        (Pinned::Migrate, "they are migrated"),
        (Pinned::Hold, "The server is kept for UDP clients"),
    ] {
        let view = under(Policy {
            pinned,
            ..Policy::default()
        });
        let text = said(&view, "Pinned").unwrap();
        assert!(text.contains(words) && !text.contains("TCP"), "{text}");
    }
    let tcp = LiveView {
        tcp_open: 1,
        ..NOTHING_LIVE
    };
    let with_live = |live| DrainView {
        live: Some(live),
        ..at(State::Draining)
    };
    let text = said(&with_live(tcp), "Pinned").unwrap();
    assert!(
        text.ends_with("they are waited for until they end.") && !text.contains("UDP"),
        "{text}"
    );
    assert_eq!(said(&with_live(NOTHING_LIVE), "Pinned"), None);
    let not_seen_to_begin = DrainView {
        rung: Some(Rung::Arrivals),
        ..at(State::Draining)
    };
    assert_eq!(said(&not_seen_to_begin, "Pinned"), None);
}

#[test]
fn leaks_holds_and_rungs_carry_their_own_remedy() {
    let leaks = Leaks {
        flows: 2,
        cause: "a template".to_owned(),
        remedy: "set it".to_owned(),
    };
    let view = DrainView {
        leaks: Some(leaks),
        held: Some("the floor; lower it".to_owned()),
        rung: Some(Rung::Arrivals),
        rung_cause: Some("no kprobes".to_owned()),
        shadow: true,
        ..at(State::Draining)
    };
    let told = |word| said(&view, word);
    assert_eq!(
        told("Leaking").as_deref(),
        Some("2 flows began after weight 0: a template; set it.")
    );
    assert_eq!(told("Held").as_deref(), Some("the floor; lower it."));
    assert_eq!(
        told("Seen by").as_deref(),
        Some(" arrivals with seed; nothing better, because: no kprobes.")
    );
    assert!(told("Shadow mode").is_some());
    assert!(
        told("Next")
            .unwrap()
            .ends_with("it would be removed, were this not shadow mode.")
    );
}

#[test]
fn what_comes_next_depends_on_the_state() {
    let next = |view: &DrainView| said(view, "Next").unwrap();
    assert!(next(&at(State::Pooled)).starts_with("its weight is set to 0"));
    assert!(next(&at(State::Quiet)).ends_with("it is removed."));
    assert_eq!(next(&at(State::Drained)), "it is removed.");
    assert_eq!(
        next(&at(State::Restoring)),
        "the table shows it with weight 5 again."
    );
    let shadow = DrainView {
        shadow: true,
        ..at(State::Pooled)
    };
    assert_eq!(next(&shadow), "another hand sets its weight to 0.");
    let keep = under(Policy {
        then: Then::Keep,
        ..Policy::default()
    });
    assert!(next(&keep).ends_with("it is kept at weight 0."));
    let kept = DrainView {
        kept: true,
        state: State::Drained,
        ..keep
    };
    assert!(next(&kept).contains("`ipvsdrain restore udp:10.0.0.1:53 10.1.0.5:53` gives it its weight back"));
    let counters = DrainView {
        rung: Some(Rung::Counters),
        ..at(State::Draining)
    };
    assert!(
        next(&counters).contains("the kernel's counters were silent for the whole quiet window and some")
    );
}

#[test]
fn deadlines_are_told_by_what_is_left_and_what_they_do() {
    let policy = |soft_deadline_secs, deadline_secs, on_deadline| Policy {
        soft_deadline_secs,
        deadline_secs,
        on_deadline,
        ..Policy::default()
    };
    let both = under(policy(Some(63), Some(603), OnDeadline::Restore));
    assert_eq!(
        said(&both, "Deadline").unwrap(),
        "in 60 s it is called overdue, and nothing else happens; in 10 min 0 s the server gets its weight back."
    );
    let soft_has_passed = under(policy(Some(3), Some(7_263), OnDeadline::Remove));
    let text = said(&soft_has_passed, "Deadline").unwrap();
    assert!(
        text.starts_with("in 2 h 1 min the server is removed with its live flows"),
        "{text}"
    );
    let overdue = DrainView {
        overdue: true,
        ..under(policy(None, Some(2), OnDeadline::Hold))
    };
    assert_eq!(
        said(&overdue, "Deadline").unwrap(),
        "it has passed: the drain goes on, overdue."
    );
    for without in [
        at(State::Restoring),
        DrainView {
            kept: true,
            ..at(State::Drained)
        },
    ] {
        assert_eq!(said(&without, "Deadline"), None);
    }
}

#[test]
fn a_removal_for_failure_is_due_after_its_time_and_its_findings() {
    let removal = |changes: &dyn Fn(&mut HealthView, &mut DrainView)| {
        let (mut known, mut drain) = (down(), failing());
        changes(&mut known, &mut drain);
        let lines = health::lines(Some(&known), Some(&drain));
        let found = lines.iter().find_map(|line| line.strip_prefix("Removal: "));
        found.map(str::to_owned)
    };
    let told = |failures, seconds, unanimous| {
        removal(&|known, _| {
            (known.failures, known.seconds, known.unanimous) = (failures, seconds, unanimous);
        })
        .unwrap()
    };
    assert_eq!(
        told(1, 0.0, false),
        "in 60 s, and after 2 more failures in a row (1 of 3), unless it is up before."
    );
    assert_eq!(told(3, 59.0, false), "in 1 s, unless it is up before.");
    assert_eq!(
        told(2, 60.0, false),
        "after 1 more failure in a row (2 of 3), unless it is up before."
    );
    assert_eq!(
        told(2, 0.0, true),
        told(2, 60.0, false),
        "all sources agree: no time is to pass"
    );
    assert_eq!(told(3, 60.0, false), "due as soon as nothing holds it.");
    let kept = removal(&|_, drain| drain.policy.failure.then = OnFailure::Quiesce);
    assert!(kept.unwrap().starts_with("never"));
    let unknown = removal(&|known, _| known.verdict = Says::Unknown);
    assert_eq!(unknown.unwrap(), "not while nobody says that it is down.");
    let on_its_way_back = removal(&|_, drain| drain.state = State::Restoring);
    assert_eq!(on_its_way_back, None);
    let lines = health::lines(None, Some(&failing()));
    assert!(lines[0].starts_with("Removal: not while nobody"), "{lines:?}");
}

#[test]
fn an_end_is_told_with_what_it_cost_and_how_to_go_back() {
    let removed = DrainView {
        over: true,
        verdict: Some("removed: proven empty; 0 packets lost".to_owned()),
        ..at(State::Removed)
    };
    assert_eq!(
        drain::lines(&removed),
        [
            "10.1.0.5:53 in udp:10.0.0.1:53 is removed, 3 s after the request.",
            "Ended: removed: proven empty; 0 packets lost. `ipvsdrain restore udp:10.0.0.1:53 10.1.0.5:53` puts it \
             back as it was.",
        ]
    );
    let counting = DrainView {
        arrivals: Some(Arrivals {
            lost: 1,
            ..Arrivals::default()
        }),
        ..at(State::Removed)
    };
    let text = said(&counting, "Ended").unwrap();
    assert!(
        text.starts_with("what the removal cost is still being counted: 1 packets lost so far."),
        "{text}"
    );
    assert!(text.contains("It is not over before"), "{text}");
    let yielded = DrainView {
        over: true,
        verdict: Some("yielded: another hand removed it".to_owned()),
        ..at(State::Yielded)
    };
    assert!(
        said(&yielded, "Ended")
            .unwrap()
            .contains("removed it. Nothing more is done to it")
    );
    let restored = DrainView {
        over: true,
        verdict: Some("restored: its weight is 5 again".to_owned()),
        ..at(State::Restored)
    };
    assert!(
        said(&restored, "Ended")
            .unwrap()
            .ends_with("`ipvsdrain drain udp:10.0.0.1:53 10.1.0.5:53` begins anew.")
    );
}

#[test]
fn without_a_drain_the_table_tells_and_the_next_command_is_named() {
    let name = |service: &str, server: &str| ServerName {
        service: service.parse().unwrap(),
        server: server.parse().unwrap(),
    };
    let server = |server: &str, weight: u32| {
        json!({
            "server": server, "active": 0, "inactive": 0, "persistent": 0, "forwarding": "direct_route",
            "weight": weight, "upper_threshold": 0, "lower_threshold": 0,
        })
    };
    let status: Status = serde_json::from_value(json!({
        "services": [{
            "service": "udp:10.0.0.1:53", "scheduler": "rr",
            "servers": [server("10.1.0.5:53", 5), server("10.1.0.6:53", 0)],
        }],
        "drains": [], "attached": [],
        "journal": {"ok": true, "fault": null, "drains_known": true, "at_weight_zero": []},
    }))
    .unwrap();
    let sentence = |server| no_drain::sentence(&status, &name("udp:10.0.0.1:53", server));
    let pooled = sentence("10.1.0.5:53").unwrap();
    assert!(
        pooled.starts_with("Pooled: ") && pooled.contains("with weight 5"),
        "{pooled}"
    );
    assert!(
        pooled.ends_with("`ipvsdrain drain udp:10.0.0.1:53 10.1.0.5:53` begins one."),
        "{pooled}"
    );
    let foreign = sentence("10.1.0.6:53").unwrap();
    assert!(
        foreign.starts_with("Foreign: ") && foreign.contains("`ipvsdrain drain "),
        "{foreign}"
    );
    assert!(
        sentence("10.1.0.7:53")
            .unwrap_err()
            .contains("is not behind udp:10.0.0.1:53")
    );
    let no_service = no_drain::sentence(&status, &name("fwmark:7", "10.1.0.5:53")).unwrap_err();
    assert!(
        no_service.starts_with("virtual service fwmark:7 does not exist"),
        "{no_service}"
    );
}
