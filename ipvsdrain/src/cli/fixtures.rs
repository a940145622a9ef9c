//! Views as a daemon shows them, for tests that need no daemon.

use serde_json::{Value, json};

use crate::api::{
    DrainView, FlowsView, HealthView, HistoryView, LiveView, PastDrain, PlanView, ServerName, Status,
};
use crate::drain::{Reason, State};

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A drain as a daemon showed it that knew neither rungs nor arrivals.
pub(super) fn view() -> DrainView {
    read(json!({
        "id": 1, "service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "state": "draining", "held": null,
        "evidence_unknown": false, "live": null, "entries": 0,
        "before": {"forwarding": "direct_route", "weight": 5, "upper_threshold": 0, "lower_threshold": 0},
        "policy": {}, "migrated": 0, "over": false, "verdict": null, "seconds_since_start": 3.0,
        "seconds_to_removal": null, "who": "", "why": "", "transitions": [], "revision": 7,
    }))
}

pub(super) const LIVE: LiveView = LiveView {
    udp: 3,
    tcp_open: 0,
    tcp_closing: 1,
    forwarded: 9,
    last_packet: None,
};

/// A drain that is held, with all that is seen of it.
pub(super) fn held() -> DrainView {
    DrainView {
        live: Some(LIVE),
        rung: Some(crate::drain::Rung::Arrivals),
        rung_cause: Some("no type information for ip_vs".to_owned()),
        held: Some("the kernel's packet counters stand still".to_owned()),
        evidence_unknown: true,
        forwarded: Some(9),
        entries: 6,
        who: "ann".to_owned(),
        why: "kernel update".to_owned(),
        ..view()
    }
}

/// A drain that ended well.
pub(super) fn removed() -> DrainView {
    read(json!({
        "id": 2, "service": "tcp:10.0.0.1:80", "server": "10.1.0.5:80", "state": "removed", "held": null,
        "evidence_unknown": false, "live": null, "rung": "probes", "entries": 0, "forwarded": 120,
        "arrivals": {"arrived": 121, "elsewhere": 1, "moved": 1, "lost": 0},
        "before": {"forwarding": "masquerade", "weight": 3, "upper_threshold": 0, "lower_threshold": 0},
        "policy": {}, "migrated": 0, "over": true,
        "verdict": "removed: proven empty, taken out of the table; 0 packets lost, 1 flows re-scheduled",
        "seconds_since_start": 44.5, "seconds_to_removal": 43.0, "who": "ann", "why": "kernel update",
        "transitions": [
            {"from": "pooled", "to": "draining", "seconds_since_start": 0.5, "why": "its weight is 0"},
            {"from": "drained", "to": "removed", "seconds_since_start": 44.5,
             "why": "proven empty, taken out of the table"},
        ],
        "revision": 9,
    }))
}

pub(super) fn restored() -> DrainView {
    DrainView {
        state: State::Restored,
        over: true,
        verdict: Some("restored: its weight is 5 again".to_owned()),
        ..view()
    }
}

pub(super) fn past() -> PastDrain {
    read(json!({
        "id": 3, "began": "2026-09-21T14:13:20Z", "began_unix": 1_790_000_000, "service": "udp:10.0.0.1:53",
        "server": "10.1.0.5:53", "reason": "planned", "who": "ann", "why": "kernel update", "ticket": "CHG-7",
        "forced": false, "shadow": false, "state": "removed", "over": true, "seconds_to_end": 44.6, "lost": 0,
        "rescheduled": 2, "uncounted": null,
        "verdict": "removed: proven empty; 0 packets lost, 2 flows re-scheduled",
    }))
}

pub(super) fn history() -> HistoryView {
    let under_way = PastDrain {
        id: 4,
        service: "tcp:[2001:db8::1]:443".parse().unwrap(),
        server: "[2001:db8:1::5]:443".parse().unwrap(),
        state: State::Draining,
        over: false,
        seconds_to_end: None,
        verdict: None,
        why: String::new(),
        ticket: String::new(),
        ..past()
    };
    HistoryView {
        drains: vec![under_way, past_failure(), past()],
    }
}

/// A server that failed for the second time within minutes, and was put back.
pub(super) fn past_failure() -> PastDrain {
    PastDrain {
        reason: Reason::Failure,
        failure: failing().failure.map(|failure| crate::api::FailureView {
            recovered: true,
            ..failure
        }),
        who: "report:icinga".to_owned(),
        why: "connection refused".to_owned(),
        ticket: String::new(),
        state: State::Restored,
        seconds_to_end: Some(31.0),
        lost: None,
        rescheduled: None,
        verdict: Some("restored: its weight is 5 again".to_owned()),
        ..past()
    }
}

/// A drain of a server that failed for the second time within minutes.
pub(super) fn failing() -> DrainView {
    DrainView {
        reason: Reason::Failure,
        failure: Some(read(json!({
            "source": "report:icinga", "cause": "connection refused", "level": 2, "hold_down_secs": 20,
            "recovered": false,
        }))),
        live: Some(LIVE),
        rung: Some(crate::drain::Rung::Probes),
        entries: 6,
        who: "report:icinga".to_owned(),
        why: "connection refused".to_owned(),
        ..view()
    }
}

/// The server of [`failing`] after it went on failing.
pub(super) fn removed_for_failure() -> DrainView {
    DrainView {
        state: State::Removed,
        over: true,
        live: None,
        verdict: Some(
            "removed: taken out of the table, for it was dead; 3 live UDP flows were scheduled anew; 0 packets lost, 3 \
             flows re-scheduled"
                .to_owned(),
        ),
        ..failing()
    }
}

/// What the daemon knows of [`failing`]: one monitor says down, and the other one has fallen silent.
pub(super) fn down() -> HealthView {
    read(json!({
        "service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "verdict": "down", "seconds": 12.4,
        "source": "report:icinga", "because": "connection refused", "failures": 2, "unanimous": false,
        "stance": {"is": "quiesced"}, "doing": "it is drained for its failure", "alarm": false, "level": 2,
        "hold_down_secs": 20,
        "sources": [
            {"source": "report:icinga", "says": "down", "seconds": 12.4, "failures": 2, "passes": 0,
             "cause": "connection refused", "heard_seconds_ago": 2.1, "stale_in_seconds": 27.9},
            {"source": "report:nagios", "says": "unknown", "seconds": 200.0, "failures": 0, "passes": 9, "cause": "",
             "heard_seconds_ago": 230.0, "stale_in_seconds": -200.0},
        ],
    }))
}

/// It is up again, and was not for long enough.
pub(super) fn up_again(is_removed: bool) -> HealthView {
    let stance = if is_removed {
        crate::drain::Stance::HeldDown(20)
    } else {
        crate::drain::Stance::Quiesced
    };
    let doing = if is_removed {
        stance.to_string()
    } else {
        "it is drained for its failure, and put back once it was up for 20 s".to_owned()
    };
    let up: HealthView = read(json!({
        "service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "verdict": "up", "seconds": 8.0, "source": null,
        "because": null, "failures": 0, "unanimous": false, "stance": {"is": "well"}, "doing": "", "alarm": false,
        "level": 2, "hold_down_secs": 20,
        "sources": [{"source": "report:icinga", "says": "up", "seconds": 8.0, "failures": 0, "passes": 1,
                     "cause": "connection refused", "heard_seconds_ago": 8.0, "stale_in_seconds": 22.0}],
    }));
    HealthView { stance, doing, ..up }
}

pub(super) fn well() -> HealthView {
    HealthView {
        server: "10.1.0.6:53".parse().unwrap(),
        stance: crate::drain::Stance::Well,
        doing: "it is well".to_owned(),
        level: 0,
        hold_down_secs: None,
        ..up_again(false)
    }
}

/// It fails, and is not drained, for one of two alarming reasons.
pub(super) fn alarming(server: &str, stance: crate::drain::Stance) -> HealthView {
    HealthView {
        service: "tcp:10.0.0.1:80".parse().unwrap(),
        server: server.parse().unwrap(),
        doing: stance.to_string(),
        stance,
        alarm: true,
        level: 0,
        hold_down_secs: None,
        sources: down().sources[..1].to_vec(),
        ..down()
    }
}

pub(super) fn needed() -> HealthView {
    let why = "10.1.0.5:80 is needed in tcp:10.0.0.1:80: without it 1 of 3 servers and 33 % of the weight would be \
               left for new flows; the floor is 1 servers and 50 %";
    alarming("10.1.0.5:80", crate::drain::Stance::Needed(why.to_owned()))
}

/// Its only source said down, and fell silent.
pub(super) fn silent() -> HealthView {
    let mut sources = down().sources[..1].to_vec();
    sources[0].says = crate::api::Says::Unknown;
    sources[0].stale_in_seconds = -70.0;
    sources[0].heard_seconds_ago = 100.0;
    let why = "report:icinga said that it is down, and has been silent since";
    HealthView {
        verdict: crate::api::Says::Unknown,
        seconds: 70.0,
        source: None,
        because: Some(why.to_owned()),
        failures: 0,
        stance: crate::drain::Stance::Quiesced,
        doing: "it is drained for its failure, and stays so until somebody says how it is".to_owned(),
        sources,
        ..down()
    }
}

/// A server that is drained for its failure, one that is well, and one that fails and is needed.
pub(super) fn failing_status() -> Status {
    let mut status = status();
    status.drains = vec![failing()];
    status.health = vec![down(), well(), needed()];
    status
}

/// The first one was removed and is up again; of the other service everything fails.
pub(super) fn removed_status() -> Status {
    let mut status = status();
    status.services[0].servers.remove(0);
    status.drains = vec![removed_for_failure()];
    let fails = |server| alarming(server, crate::drain::Stance::AllFail);
    status.health = vec![up_again(true), well(), fails("10.1.0.5:80"), fails("10.1.0.6:80")];
    status
}

/// The server of [`failing`], whose drain an operator took over.
pub(super) fn taken_over() -> DrainView {
    DrainView {
        reason: Reason::Planned,
        who: "ann".to_owned(),
        why: "new mainboard".to_owned(),
        ..failing()
    }
}

/// Three servers of a UDP service, one of them being drained and one at weight 0 by another hand, and the first one's
/// host behind a TCP service, too.
pub(super) fn status() -> Status {
    let server = |name: &str, weight: u32| {
        json!({"server": name, "forwarding": "direct_route", "weight": weight, "upper_threshold": 0,
               "lower_threshold": 0, "active": 0, "inactive": 12, "persistent": 0})
    };
    read(json!({
        "services": [
            {"service": "udp:10.0.0.1:53", "scheduler": "wrr",
             "servers": [server("10.1.0.5:53", 0), server("10.1.0.6:53", 5), server("10.1.0.7:53", 0)]},
            {"service": "tcp:10.0.0.1:80", "scheduler": "wlc",
             "servers": [server("10.1.0.5:80", 3), server("10.1.0.6:80", 3)]},
        ],
        "drains": [json!(held())],
        "attached": ["ip_vs_conn_put"],
        "journal": {"ok": true, "fault": null, "drains_known": true, "at_weight_zero": []},
    }))
}

pub(super) fn names() -> [ServerName; 2] {
    [
        ("udp:10.0.0.1:53", "10.1.0.5:53"),
        ("tcp:10.0.0.1:80", "10.1.0.5:80"),
    ]
    .map(|(service, server)| ServerName {
        service: service.parse().unwrap(),
        server: server.parse().unwrap(),
    })
}

pub(super) fn flows() -> FlowsView {
    read(json!({
        "service": "udp:10.0.0.1:53", "server": "10.1.0.5:53",
        "flows": [
            {"client": "10.9.0.2:40001", "virtual": "10.0.0.1:53", "protocol": "udp", "tcp_state": null,
             "age_seconds": 598.2, "older": true, "idle_seconds": 0.25, "requests": 1200, "replies": 1199, "live": true,
             "standing": "pinned"},
            {"client": "[2001:db8::9]:50123", "virtual": "[2001:db8::1]:443", "protocol": "tcp",
             "tcp_state": "TIME_WAIT", "age_seconds": 12.0, "older": false, "idle_seconds": 9.9, "requests": 7,
             "replies": 0, "live": false, "standing": null},
        ],
        "found": 5, "complete": false,
        "seed": {"tcp_open": 1, "tcp_closing": 0, "udp": 4, "first_expiry_seconds": 3, "last_expiry_seconds": 299,
                 "lines": 5, "malformed": 0, "complete": true},
        "at": 1_600_000_000_000_u64,
    }))
}

/// It would begin, and its wait has no end.
pub(super) fn plan() -> PlanView {
    read(json!({
        "service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "weight": 5, "would": "begin", "refusal": null,
        "shadow": false, "forced": false, "policy": {},
        "capacity": {"servers_before": 3, "servers_after": 2, "servers_total": 3, "weight_before": 15,
                     "weight_after": 10, "weight_total": 15, "floor": {"servers": 1, "weight_percent": 50}},
        "hazards": [
            {"about": "deadline", "what": "UDP clients that never fall silent are waited for, and no deadline ends that",
             "remedy": "give --deadline, with --on-deadline hold, remove or restore"},
        ],
    }))
}

pub(super) fn refused_plan() -> PlanView {
    read(json!({
        "service": "tcp:10.0.0.1:80", "server": "10.1.0.5:80", "weight": 3, "would": "refused",
        "refusal": {"kind": "floor", "text": "10.1.0.5:80 is needed in tcp:10.0.0.1:80: without it 0 of 1 servers and \
                    0 % of the weight would be left for new flows; the floor is 1 servers and 50 %"},
        "shadow": false, "forced": false, "policy": {"deadline_secs": 600, "on_deadline": "remove"},
        "capacity": {"servers_before": 1, "servers_after": 0, "servers_total": 1, "weight_before": 3,
                     "weight_after": 0, "weight_total": 3, "floor": {"servers": 1, "weight_percent": 50}},
        "hazards": [],
    }))
}
