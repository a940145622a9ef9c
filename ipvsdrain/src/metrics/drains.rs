//! The drains that are not over, one by one. Those that are over are counted in [`super::Lifetime`].

use prometheus::proto::MetricFamily;

use super::Sight;
use super::courses::Courses;
use super::family::{Family, count, flag};
use super::labels::Labels;
use crate::drain::{Arrivals, Flows, Outcome, Record, Rung, State};
use crate::moment::Moment;

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

pub(super) fn families(sight: &Sight<'_>, courses: &Courses) -> Vec<MetricFamily> {
    let open: Vec<(Labels, &Record)> = sight
        .drains
        .iter()
        .filter(|record| !record.is_over())
        .map(|record| (Labels::server(&record.service, &record.server), record))
        .collect();
    let mut families = standing(&open, sight.now);
    families.extend(course(&open, courses, sight.now));
    families.extend(traffic(&open, sight.now));
    families.into_iter().filter_map(Family::finish).collect()
}

fn gauge(name: &str, help: &str) -> Family {
    Family::gauge(&format!("ipvsdrain_drain_{name}"), help)
}

fn counter(name: &str, help: &str) -> Family {
    Family::counter(&format!("ipvsdrain_drain_{name}_total"), help)
}

/// Where each stands, since when, and until when.
fn standing(open: &[(Labels, &Record)], now: Moment) -> Vec<Family> {
    let mut state = gauge(
        "state",
        "The state of the drain: 1 for the one it is in, 0 for the others.",
    );
    let mut before = gauge("weight_before", "The weight that the server had, and gets back.");
    let mut in_state = gauge("state_age_seconds", "Time since the drain entered its state.");
    let mut age = gauge("age_seconds", "Time since the drain was asked for.");
    let mut left = gauge(
        "deadline_remaining_seconds",
        "Time until the hard deadline, or the soft one where there is no other: negative once it has passed. Absent \
         without one.",
    );
    let mut overdue = gauge("overdue", "Whether a deadline has passed: 1 or 0.");
    let mut held = gauge(
        "held",
        "Always 1, with the cause for which the drain is held. Absent while it goes on.",
    );
    for (labels, record) in open {
        for each in STATES {
            state.add(
                &labels.clone().with("state", each.word()),
                flag(record.state == each),
            );
        }
        before.add(labels, f64::from(record.before.weight));
        let since = record
            .transitions
            .last()
            .map_or(record.started_at, |step| step.at);
        in_state.add(labels, now.since(since).as_secs_f64());
        let lasted = now.since(record.asked_at()).as_secs_f64();
        age.add(labels, lasted);
        let deadline = record.policy.deadline_secs.or(record.policy.soft_deadline_secs);
        left.add_known(labels, deadline.map(|secs| f64::from(secs) - lasted));
        overdue.add(labels, flag(record.overdue.is_some()));
        if let Some(hold) = &record.observed.held {
            held.add(&labels.clone().with("cause", hold.word()), 1.0);
        }
    }
    vec![state, before, in_state, age, left, overdue, held]
}

/// How far each has come, and when it is done.
fn course(open: &[(Labels, &Record)], courses: &Courses, now: Moment) -> Vec<Family> {
    let mut began = gauge(
        "began_timestamp_seconds",
        "When the drain was asked for, in seconds since 1970.",
    );
    let mut progress = gauge(
        "progress_ratio",
        "Of the most flows that were live at one moment since weight 0, the share that is not any more, 0 to 1.",
    );
    let mut left = gauge(
        "eta_seconds",
        "Time until the server is proven empty, if its flows go on ending as they did. Absent while that cannot be told.",
    );
    for (labels, record) in open {
        let reason = record.reason.to_string();
        began.add(
            &labels.clone().with("reason", reason.as_str()),
            count(record.asked_unix()),
        );
        progress.add_known(labels, courses.progress(record));
        let secs = courses.left(record, now).map(|left| left.as_secs_f64());
        left.add_known(labels, secs);
    }
    vec![began, progress, left]
}

/// What is seen of the flows of each. What is not known has no sample: unknown is not 0.
fn traffic(open: &[(Labels, &Record)], now: Moment) -> Vec<Family> {
    let mut live = gauge(
        "live_flows",
        "Flows of the server that are live, by protocol and kind. Absent while they are not known.",
    );
    let mut leaked = gauge(
        "leaked_flows",
        "Flows of the server that began after its weight was 0. Absent where nobody can tell.",
    );
    let mut pinned = gauge(
        "pinned_flows",
        "Live flows of the server that began before its weight was 0. Absent where nobody can tell.",
    );
    let mut silence = gauge(
        "last_packet_age_seconds",
        "Time since the last packet to or from the server. Absent while none was seen.",
    );
    let mut forwarded = counter(
        "packets_forwarded",
        "Packets that were forwarded to the server since the watch began.",
    );
    let mut arrived = counter(
        "packets_arrived",
        "Packets of the server's tracked flows that came in since the watch began.",
    );
    let mut elsewhere = counter(
        "packets_rescheduled",
        "Packets of the server's tracked flows that were forwarded to another server.",
    );
    let mut lost = counter(
        "packets_lost",
        "Packets of the server's tracked flows that nobody forwarded. Absent where they are not counted.",
    );
    for (labels, record) in open {
        let seen = record.observed.flows;
        if let Some(flows) = seen.and_then(Flows::counted) {
            let established = flows.tcp_open.max(u64::from(record.observed.active));
            for (protocol, kind, number) in [
                ("udp", "live", flows.udp),
                ("tcp", "established", established),
                ("tcp", "closing", flows.tcp_closing),
            ] {
                let labels = labels.clone().with("protocol", protocol).with("kind", kind);
                live.add(&labels, count(number));
            }
        }
        leaked.add_known(labels, leaks(record).map(count));
        pinned.add_known(labels, record.pinned().map(count));
        let newest = seen.and_then(|flows| flows.last_packet);
        silence.add_known(labels, newest.map(|at| now.since(at).as_secs_f64()));
        let (sent_on, came_in) = packets(record);
        forwarded.add_known(labels, sent_on.map(count));
        arrived.add_known(labels, came_in.map(|packets| count(packets.arrived)));
        elsewhere.add_known(labels, came_in.map(|packets| count(packets.elsewhere)));
        lost.add_known(labels, came_in.map(|packets| count(packets.lost)));
    }
    vec![live, leaked, pinned, silence, forwarded, arrived, elsewhere, lost]
}

/// Only probes see a flow begin, and only after weight 0 there are leaks.
fn leaks(record: &Record) -> Option<u64> {
    let seen = record.observed.leaks.as_ref().map(|leaks| leaks.flows);
    let could_be_seen = record.at_quiesce.is_some()
        && record
            .observed
            .flows
            .is_some_and(|flows| flows.rung == Rung::Probes);
    seen.or(could_be_seen.then_some(0))
}

/// As settled, else as last seen.
fn packets(record: &Record) -> (Option<u64>, Option<Arrivals>) {
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
