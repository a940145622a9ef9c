//! What is counted while the daemon runs: drains that came to their end, what they cost, how long they took.

use std::collections::BTreeSet;

use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use crate::drain::{Outcome, Record, State};

/// Of a drain's duration, in seconds: from at once to a working day.
const DURATIONS: [f64; 11] = [
    5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0, 43_200.0,
];

/// Counters that live as long as the process.
#[derive(Debug)]
pub struct Lifetime {
    registry: Registry,
    finished: IntCounterVec,
    duration: HistogramVec,
    lost: IntCounter,
    moved: IntCounter,
    failures: CounterVec,
    /// The drains whose end is counted, or was there before this process.
    known: Option<BTreeSet<u64>>,
}

impl Lifetime {
    /// # Errors
    /// If two of its names are the same, or one is no name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let by = ["reason", "state", "verdict"];
        let lifetime = Self {
            registry: Registry::new(),
            finished: IntCounterVec::new(
                Opts::new(
                    "ipvsdrain_drains_finished_total",
                    "Drains that came to their end since the daemon began, by reason, last state and verdict.",
                ),
                &by,
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new(
                    "ipvsdrain_drain_duration_seconds",
                    "From the request for a drain to its end.",
                )
                .buckets(DURATIONS.to_vec()),
                &["reason", "state"],
            )?,
            lost: IntCounter::new(
                "ipvsdrain_packets_lost_total",
                "Packets that nobody forwarded, over all drains that came to their end since the daemon began.",
            )?,
            moved: IntCounter::new(
                "ipvsdrain_flows_rescheduled_total",
                "Flows that were handed to another server, over all drains that came to their end since the daemon began.",
            )?,
            failures: CounterVec::new(
                Opts::new(
                    "ipvsdrain_failures_total",
                    "Failures that were acted on since the daemon began, by the source that spoke first.",
                ),
                &["source"],
            )?,
            known: None,
        };
        let registry = &lifetime.registry;
        registry.register(Box::new(lifetime.finished.clone()))?;
        registry.register(Box::new(lifetime.duration.clone()))?;
        registry.register(Box::new(lifetime.lost.clone()))?;
        registry.register(Box::new(lifetime.moved.clone()))?;
        registry.register(Box::new(lifetime.failures.clone()))?;
        Ok(lifetime)
    }

    /// Looks at the newest drain of each server, whenever one has changed. What was over at the first look is not counted.
    pub fn see(&mut self, records: &[Record]) {
        let over = || records.iter().filter(|record| record.is_over());
        let Some(known) = &mut self.known else {
            self.known = Some(over().map(|record| record.id).collect());
            return;
        };
        let new: Vec<&Record> = over().filter(|record| known.insert(record.id)).collect();
        known.retain(|id| records.iter().any(|record| record.id == *id && record.is_over()));
        for record in new {
            self.count(record);
        }
    }

    fn count(&self, record: &Record) {
        let (reason, state) = (record.reason.to_string(), record.state.to_string());
        let verdict = verdict(record);
        self.finished.with_label_values(&[reason.as_str(), state.as_str(), verdict]).inc();
        if let Some(end) = record.ended_at() {
            let lasted = end.since(record.started_at).as_secs_f64();
            self.duration.with_label_values(&[reason.as_str(), state.as_str()]).observe(lasted);
        }
        if let Some(Outcome::Counted { arrivals, .. }) = &record.outcome {
            self.lost.inc_by(arrivals.lost);
            self.moved.inc_by(arrivals.moved);
        }
        if let Some(failure) = &record.failure {
            self.failures.with_label_values(&[failure.source.as_str()]).inc();
        }
    }

    pub(super) fn families(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}

/// What is known of the packets of a drain that is over.
fn verdict(record: &Record) -> &'static str {
    match (&record.outcome, record.state) {
        (Some(Outcome::Counted { arrivals, .. }), _) if arrivals.lost > 0 => "lossy",
        (Some(Outcome::Counted { .. }), _) => "lossless",
        (Some(Outcome::Uncounted { .. }), _) => "uncounted",
        (None, State::Restored | State::Yielded) => "not removed",
        (None, _) => "uncounted",
    }
}
