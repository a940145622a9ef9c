//! Views as a daemon shows them, for tests that need no daemon.

mod failing;

use serde_json::{Value, json};

pub(super) use self::failing::*;
use crate::api::{DrainView, FlowsView, HistoryView, LiveView, PastDrain, PlanView, ServerName, Status};
use crate::drain::State;

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
