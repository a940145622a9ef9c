//! The drains that are not over, one by one. Those that are over are counted in [`super::Lifetime`].

use std::time::Duration;

use prometheus::proto::MetricFamily;

use super::Sight;
use super::family::{Family, count, flag};
use super::labels::Labels;
use crate::drain::{Flows, Outcome, Record, State};

const STATES: [State; 8] = [
    State::Pooled,
    State::Draining,
    State::Quiet,
    State::Drained,
    State::Removed,
    State::Restoring,
    State::Restored,
    State::Yielded,
];

pub(super) fn families(sight: &Sight<'_>) -> Vec<MetricFamily> {
    let gauge = |name: &str, help: &str| Family::gauge(&format!("ipvsdrain_drain_{name}"), help);
    let counter = |name: &str, help: &str| Family::counter(&format!("ipvsdrain_drain_{name}_total"), help);
    let mut state = gauge("state", "The state of the drain: 1 for the one it is in.");
    let mut before = gauge("weight_before", "The weight that the server had, and gets back.");
    let mut live = gauge(
        "live_flows",
        "Flows forwarded to the server within their quiet window, by protocol and kind; absent while not known.",
    );
    let mut leaked = gauge("leaked_flows", "Flows that began after the weight was 0.");
    let mut silence = gauge("last_packet_age_seconds", "Since the last packet to or from the server.");
    let mut arrived = counter("packets_arrived", "Packets of the server's flows that came in since the watch began.");
    let mut forwarded = counter("packets_forwarded", "Packets of them that were forwarded to the server.");
    let mut moved = counter("packets_rescheduled", "Packets of them that were forwarded to another server.");
    let mut lost = counter("packets_lost", "Packets of them that nobody forwarded.");
    let mut in_state = gauge("state_seconds", "For how long the drain is in its state.");
    let mut age = gauge("age_seconds", "Since the drain was asked for.");
    let mut left = gauge("deadline_seconds", "Until the deadline; negative once it has passed. Absent without one.");
    let mut overdue = gauge("overdue", "1 once a deadline has passed.");
    let mut held = gauge("held", "1 while the drain is held, by cause.");
    for record in sight.drains.iter().filter(|record| !record.is_over()) {
        let labels = Labels::server(&record.service, &record.server);
        for each in STATES {
            state.add(&labels.clone().with("state", each), flag(record.state == each));
        }
        before.add(&labels, f64::from(record.before.weight));
        let flows = record.observed.flows.and_then(Flows::counted);
        if let Some(flows) = flows {
            let open = flows.tcp_open.max(u64::from(record.observed.active));
            for (protocol, kind, number) in [
                ("udp", "live", flows.udp),
                ("tcp", "established", open),
                ("tcp", "closing", flows.tcp_closing),
            ] {
                let labels = labels.clone().with("protocol", protocol).with("kind", kind);
                live.add(&labels, count(number));
            }
        }
        let leaks = record.observed.leaks.as_ref();
        leaked.add(&labels, leaks.map_or(0.0, |leaks| count(leaks.flows)));
        let last = record.observed.flows.and_then(|flows| flows.last_packet);
        silence.add_known(&labels, last.map(|at| sight.now.since(at).as_secs_f64()));
        let (sent_on, arrivals) = packets(record);
        forwarded.add_known(&labels, sent_on.map(count));
        if let Some(arrivals) = arrivals {
            arrived.add(&labels, count(arrivals.arrived));
            moved.add(&labels, count(arrivals.elsewhere));
            lost.add(&labels, count(arrivals.lost));
        }
        let since = record.transitions.last().map_or(record.started_at, |step| step.at);
        in_state.add(&labels, sight.now.since(since).as_secs_f64());
        let lasted = sight.now.since(record.started_at);
        age.add(&labels, lasted.as_secs_f64());
        let deadline = record.policy.deadline_secs.or(record.policy.soft_deadline_secs);
        let deadline = deadline.map(|secs| Duration::from_secs(u64::from(secs)).as_secs_f64());
        left.add_known(&labels, deadline.map(|deadline| deadline - lasted.as_secs_f64()));
        overdue.add(&labels, flag(record.overdue.is_some()));
        if let Some(hold) = &record.observed.held {
            held.add(&labels.clone().with("cause", hold.word()), 1.0);
        }
    }
    [
        state, before, live, leaked, silence, arrived, forwarded, moved, lost, in_state, age, left, overdue, held,
    ]
    .into_iter()
    .filter_map(Family::finish)
    .collect()
}

/// As settled, else as last seen.
fn packets(record: &Record) -> (Option<u64>, Option<crate::drain::Arrivals>) {
    match &record.outcome {
        Some(Outcome::Counted { forwarded, arrivals }) => (Some(*forwarded), Some(*arrivals)),
        Some(Outcome::Uncounted { forwarded, .. }) => (*forwarded, None),
        None => {
            let flows = record.observed.flows.and_then(Flows::counted);
            (
                flows.map(|flows| flows.forwarded),
                flows.and_then(|flows| flows.arrivals),
            )
        }
    }
}
