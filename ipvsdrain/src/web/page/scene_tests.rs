//! Hosts to look at, each in a state that a person may find one in; those in trouble are in `trouble_tests`.

use std::sync::LazyLock;

use serde_json::json;

use super::past::KEPT;
use crate::clock;
use crate::drain::{
    Arrivals, Flows, Hold, Leaks, Observed, Outcome, Overdue, Policy, Record, Rung, State, Transition,
};
use crate::moment::Moment;
use crate::supervise::{Fault, JournalCondition, Listing, ServerHealth};

pub(super) const DNS: &str = "udp:10.0.0.1:53";
pub(super) const WEB: &str = "tcp:[2001:db8::1]:443";
/// When the watch of all drains began: just before their weight was 0.
static WATCHED: LazyLock<Moment> = LazyLock::new(|| ago(179));

/// All that the page is made of.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) listing: Result<Listing, Fault>,
    pub(super) drains: Vec<Record>,
    pub(super) health: Vec<ServerHealth>,
    pub(super) attached: Vec<String>,
    pub(super) journal: JournalCondition,
    pub(super) shadow: bool,
    /// How its drains came there, the oldest first.
    pub(super) before: Vec<Record>,
}

pub(super) fn ago(seconds: u64) -> Moment {
    Moment::from_nanos(clock::now().as_nanos().saturating_sub(seconds * 1_000_000_000))
}

/// Nothing in the table, and nothing wrong.
pub(super) fn nothing() -> Scene {
    Scene {
        listing: Ok(Vec::new()),
        drains: Vec::new(),
        health: Vec::new(),
        attached: Vec::new(),
        journal: JournalCondition {
            fault: None,
            drains_known: true,
        },
        shadow: false,
        before: Vec::new(),
    }
}

fn listing(weights: &[(&str, u32)]) -> Listing {
    let server = |(name, weight): &(&str, u32), active: u32| {
        json!({"server": name, "forwarding": "direct_route", "weight": weight, "upper_threshold": 0,
               "lower_threshold": 0, "active": active, "inactive": 1200 + weight * 31, "persistent": 0})
    };
    let dns: Vec<_> = weights.iter().map(|one| server(one, 0)).collect();
    let web = [("[2001:db8:1::5]:443", 10), ("[2001:db8:1::6]:443", 10)];
    serde_json::from_value(json!([
        {"service": DNS, "scheduler": "wrr", "servers": dns},
        {"service": WEB, "scheduler": "wlc", "servers": [server(&web[0], 812), server(&web[1], 790)]},
    ]))
    .unwrap()
}

/// Two services, all of whose servers are in.
pub(super) fn pooled() -> Scene {
    Scene {
        listing: Ok(listing(&[
            ("10.1.0.5:53", 5),
            ("10.1.0.6:53", 5),
            ("10.1.0.7:53", 5),
        ])),
        ..nothing()
    }
}

/// The first server of DNS is at weight 0.
pub(super) fn quiesced() -> Scene {
    Scene {
        listing: Ok(listing(&[
            ("10.1.0.5:53", 0),
            ("10.1.0.6:53", 5),
            ("10.1.0.7:53", 5),
        ])),
        attached: vec!["ip_vs_conn_put".to_owned(), "arrivals on eth0".to_owned()],
        ..nothing()
    }
}

/// The first server of DNS is out of the table.
fn without() -> Scene {
    Scene {
        listing: Ok(listing(&[("10.1.0.6:53", 5), ("10.1.0.7:53", 5)])),
        ..nothing()
    }
}

/// A planned drain that was asked for 180 s ago and is in this state for 178.
pub(super) fn drain(id: u64, server: &str, state: State) -> Record {
    let record = json!({
        "id": id, "service": DNS, "server": server, "who": "ann", "why": "kernel update", "ticket": "CHG-1207",
        "policy": Policy::default(), "state": state, "transitions": [], "boot_id": "boot",
        "before": {"forwarding": "direct_route", "weight": 5, "upper_threshold": 0, "lower_threshold": 0},
        "started_at": ago(180), "started_unix": clock::now_unix() - 180,
        "at_quiesce": {"watched_since": *WATCHED, "started": 0},
        "capacity": {"servers_left": 2, "servers_total": 3, "weight_left": 10, "weight_total": 15},
    });
    Record {
        transitions: vec![step(178, State::Pooled, State::Draining, "its weight is 0")],
        ..serde_json::from_value(record).unwrap()
    }
}

fn step(seconds_ago: u64, from: State, to: State, why: &str) -> Transition {
    Transition {
        at: ago(seconds_ago),
        from,
        to,
        why: why.to_owned(),
        evidence: None,
    }
}

pub(super) fn flows(udp: u64, tcp_open: u64, tcp_closing: u64, forwarded: u64) -> Flows {
    Flows {
        udp,
        tcp_open,
        tcp_closing,
        forwarded,
        packets: forwarded,
        started: 0,
        last_packet: Some(ago(0)),
        watched_since: *WATCHED,
        rung: Rung::Probes,
        arrivals: Some(Arrivals {
            arrived: forwarded,
            ..Arrivals::default()
        }),
    }
}

pub(super) fn seen(flows: Option<Flows>, held: Option<Hold>, seconds_ago: u64) -> Observed {
    Observed {
        at: Some(ago(seconds_ago)),
        entries: flows.map_or(0, |flows| flows.udp * 3 + 40),
        flows,
        held,
        ..Observed::default()
    }
}

/// Each second of a drain: flows end, and packets become fewer with them.
fn falling(last: u64) -> Vec<Record> {
    let mut forwarded = 0;
    let mut records = Vec::new();
    for second in 0..=(178 - last) {
        let udp = 1800 / (10 + second) + 20_u64.saturating_sub(second / 6);
        let tcp_open = 36_u64.saturating_sub(second / 5);
        forwarded += udp * 4 + tcp_open + second * 7 % 23;
        let seen = seen(
            Some(flows(udp, tcp_open, (second / 3) % 4, forwarded)),
            None,
            178 - second,
        );
        records.push(Record {
            observed: seen,
            ..drain(7, "10.1.0.5:53", State::Draining)
        });
    }
    assert!(records.len() <= KEPT, "all of it shows");
    records
}

pub(super) fn draining() -> Scene {
    let before = falling(1);
    let mut newest = before.last().unwrap().clone();
    newest.policy.deadline_secs = Some(900);
    let mut past = removed(Some(0));
    past.id = 6;
    past.server = "10.1.0.4:53".parse().unwrap();
    Scene {
        drains: vec![past, newest],
        before,
        ..quiesced()
    }
}

pub(super) fn held() -> Scene {
    let cause = "no type information for ip_vs: CONFIG_DEBUG_INFO_BTF_MODULES is off".to_owned();
    let mut record = drain(7, "10.1.0.5:53", State::Draining);
    record.why = "<script>document.title='broken in'</script><img src=x onerror=alert(1)>".to_owned();
    record.observed = seen(None, Some(Hold::FlowsUnknown(cause)), 0);
    Scene {
        drains: vec![record],
        ..quiesced()
    }
}

pub(super) fn overdue() -> Scene {
    let before = falling(1);
    let mut record = before.last().unwrap().clone();
    record.policy.deadline_secs = Some(120);
    record.overdue = Some(Overdue::Hard);
    record.observed = seen(
        Some(Flows {
            started: 2,
            ..flows(3, 0, 0, 31_500)
        }),
        Some(Hold::DeadlinePassed("3 UDP flows".to_owned())),
        0,
    );
    record.observed.leaks = Some(Leaks {
        flows: 2,
        cause: "the service is persistent, and its clients keep their server also for new flows".to_owned(),
        remedy: "drain with --persistence set".to_owned(),
    });
    Scene {
        drains: vec![record],
        before,
        ..quiesced()
    }
}

pub(super) fn quiet(state: State) -> Scene {
    let mut record = drain(7, "10.1.0.5:53", state);
    record
        .transitions
        .push(step(6, State::Draining, State::Quiet, "no flow is live"));
    if state == State::Drained {
        let proven = "both witnesses were silent for 10 s";
        record
            .transitions
            .push(step(1, State::Quiet, State::Drained, proven));
    }
    let mut before = falling(8);
    let forwarded = before
        .last()
        .and_then(|record| record.observed.flows)
        .unwrap()
        .forwarded;
    record.observed = seen(Some(flows(0, 0, 0, forwarded)), None, 0);
    let last = |seconds_ago| Record {
        observed: seen(Some(flows(0, 0, 0, forwarded)), None, seconds_ago),
        ..record.clone()
    };
    before.extend((1..8).rev().map(last));
    Scene {
        drains: vec![record],
        before,
        ..quiesced()
    }
}

/// `None`: nobody counted.
pub(super) fn removed(lost: Option<u64>) -> Record {
    let mut record = drain(5, "10.1.0.5:53", State::Removed);
    let proven = "proven empty, taken out of the table";
    record
        .transitions
        .push(step(10, State::Drained, State::Removed, proven));
    record.outcome = Some(match lost {
        Some(lost) => Outcome::Counted {
            forwarded: 9000,
            arrivals: Arrivals {
                arrived: 9041 + lost,
                elsewhere: 41,
                moved: 41,
                lost,
            },
        },
        None => Outcome::Uncounted {
            forwarded: Some(9000),
            why: "arrivals are not witnessed: no interface brings them".to_owned(),
        },
    });
    record
}

pub(super) fn gone(lost: Option<u64>) -> Scene {
    Scene {
        drains: vec![removed(lost)],
        ..without()
    }
}
