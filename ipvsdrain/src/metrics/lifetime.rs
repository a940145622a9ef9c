//! What is counted while the daemon runs: drains that came to their end, what they cost, how long they took. Beside that
//! it remembers how those went that are under way.
//!
//! Every sample there may be is there from the start, with 0: what appears with its first 1 has not risen for Prometheus.

use std::collections::HashSet;

use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use super::courses::Courses;
use crate::drain::{Outcome, Reason, Record, State};

/// Of a drain's duration, in seconds: from at once to half a day.
const DURATIONS: [f64; 11] = [
    5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0, 43_200.0,
];

const REASONS: [Reason; 4] = [Reason::Planned, Reason::Marker, Reason::Failure, Reason::Adopted];

/// The states a drain ends in.
const ENDS: [State; 3] = [State::Removed, State::Restored, State::Yielded];

const NOT_REMOVED: &str = "not_removed";

const VERDICTS: [&str; 4] = ["lossless", "lossy", "uncounted", NOT_REMOVED];

/// Who spoke first of a failure. Names of sources come from outside, so they are not labels of what is never forgotten.
const SOURCES: [&str; 2] = ["check", "report"];

/// Counters that live as long as the process.
#[derive(Debug)]
pub struct Lifetime {
    registry: Registry,
    finished: IntCounterVec,
    duration: HistogramVec,
    lost: IntCounter,
    moved: IntCounter,
    failures: IntCounterVec,
    /// The drains whose end is counted, or was there at the first look. `None` before that.
    known: Option<HashSet<u64>>,
    courses: Courses,
}

/// Two of the names are the same, or one is no name.
#[derive(Debug, thiserror::Error)]
#[error("the metrics cannot be set up: {0}")]
pub struct LifetimeError(#[from] prometheus::Error);

impl Lifetime {
    /// # Errors
    /// If two of its names are the same, or one is no name.
    pub fn new() -> Result<Self, LifetimeError> {
        let finished = Opts::new(
            "ipvsdrain_drains_finished_total",
            "Drains that came to their end since the daemon began, by reason, last state and verdict.",
        );
        let duration = HistogramOpts::new(
            "ipvsdrain_drain_duration_seconds",
            "Time from the request for a drain to its end.",
        );
        let failures = Opts::new(
            "ipvsdrain_failures_total",
            "Drains for failure that came to their end since the daemon began, by who spoke of the failure first.",
        );
        let lifetime = Self {
            registry: Registry::new(),
            finished: IntCounterVec::new(finished, &["reason", "state", "verdict"])?,
            duration: HistogramVec::new(duration.buckets(DURATIONS.to_vec()), &["reason", "state"])?,
            lost: IntCounter::new(
                "ipvsdrain_packets_lost_total",
                "Packets that nobody forwarded, of all drains that came to their end since the daemon began.",
            )?,
            moved: IntCounter::new(
                "ipvsdrain_flows_rescheduled_total",
                "Flows that were handed to another server, of all drains that came to their end since the daemon began.",
            )?,
            failures: IntCounterVec::new(failures, &["source"])?,
            known: None,
            courses: Courses::default(),
        };
        let registry = &lifetime.registry;
        registry.register(Box::new(lifetime.finished.clone()))?;
        registry.register(Box::new(lifetime.duration.clone()))?;
        registry.register(Box::new(lifetime.lost.clone()))?;
        registry.register(Box::new(lifetime.moved.clone()))?;
        registry.register(Box::new(lifetime.failures.clone()))?;
        lifetime.begin_at_zero();
        Ok(lifetime)
    }

    fn begin_at_zero(&self) {
        for reason in REASONS {
            for state in ENDS {
                let can_be = |verdict: &&str| state != State::Removed || *verdict != NOT_REMOVED;
                let (reason, state) = (reason.to_string(), state.word());
                self.duration.with_label_values(&[reason.as_str(), state]);
                for verdict in VERDICTS.into_iter().filter(can_be) {
                    self.finished
                        .with_label_values(&[reason.as_str(), state, verdict]);
                }
            }
        }
        for source in SOURCES {
            self.failures.with_label_values(&[source]);
        }
    }

    /// Looks at the newest drain of each server, whenever one has changed. What was over at the first look is not
    /// counted; nor is the end of a drain that has had one before, as when a removed server is put back.
    pub fn see(&mut self, records: &[Record]) {
        self.courses.see(records);
        let over = || records.iter().filter(|record| record.is_over());
        let Some(known) = &mut self.known else {
            self.known = Some(over().map(|record| record.id).collect());
            return;
        };
        let new: Vec<&Record> = over().filter(|record| known.insert(record.id)).collect();
        let present: HashSet<u64> = records.iter().map(|record| record.id).collect();
        known.retain(|id| present.contains(id));
        for record in new {
            self.count(record);
        }
    }

    fn count(&self, record: &Record) {
        let (reason, state) = (record.reason.to_string(), record.state.word());
        let verdict = verdict(record);
        self.finished
            .with_label_values(&[reason.as_str(), state, verdict])
            .inc();
        if let Some(end) = record.ended_at() {
            let lasted = end.since(record.asked_at()).as_secs_f64();
            self.duration
                .with_label_values(&[reason.as_str(), state])
                .observe(lasted);
        }
        if let Some(Outcome::Counted { arrivals, .. }) = &record.outcome {
            self.lost.inc_by(arrivals.lost);
            self.moved.inc_by(arrivals.moved);
        }
        if let Some(failure) = &record.failure {
            let kind = failure.source.split(':').next().unwrap_or_default();
            let known = SOURCES.into_iter().find(|source| *source == kind);
            self.failures.with_label_values(&[known.unwrap_or("other")]).inc();
        }
    }

    pub(super) fn courses(&self) -> &Courses {
        &self.courses
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
        (None, State::Restored | State::Yielded) => NOT_REMOVED,
        (Some(Outcome::Uncounted { .. }) | None, _) => "uncounted",
    }
}
