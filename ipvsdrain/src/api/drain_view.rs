//! A drain as JSON: where it stands, what is seen of it, how it ended.

use serde::{Deserialize, Serialize};

use super::health_view::FailureView;
use crate::drain::{
    Arrivals, Flows, Hold, Leaks, OnDeadline, Outcome, Overdue, Policy, Reason, Record, Rung, State,
};
use crate::forwarding::Configuration;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// A drain as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "JSON that scripts read by name")]
pub struct DrainView {
    pub id: u64,
    pub service: VirtualService,
    pub server: RealServer,
    pub state: State,
    #[serde(default)]
    pub reason: Reason,
    /// What failed, of a drain for failure; it stays when maintenance takes the drain over. Else `null`.
    #[serde(default)]
    pub failure: Option<FailureView>,
    /// Its deadline has passed.
    #[serde(default)]
    pub overdue: bool,
    /// Nothing but the kernel is spared: the decisions are taken, and nothing is changed.
    #[serde(default)]
    pub shadow: bool,
    /// Asked for in spite of the capacity floor.
    #[serde(default)]
    pub forced: bool,
    /// Proven empty, and kept at weight 0 as its policy says.
    #[serde(default)]
    pub kept: bool,
    /// Flows that began after weight 0; `null` if there are none.
    #[serde(default)]
    pub leaks: Option<Leaks>,
    /// Why it does not go on, in a sentence; `null` while it does.
    pub held: Option<String>,
    /// The evidence is missing, stale or contradictory.
    pub evidence_unknown: bool,
    /// Live flows, or `null` while they are not known, and where they cannot be counted: see `rung`.
    pub live: Option<LiveView>,
    /// How flows are known: `probes`, `arrivals`, or `counters` where they cannot be counted; `null` while they are
    /// not known.
    pub rung: Option<Rung>,
    /// Why no better rung was taken.
    pub rung_cause: Option<String>,
    /// Packets of its flows forwarded to this server since the watch began, where flows are counted.
    pub forwarded: Option<u64>,
    /// Packets of its flows that arrived at the director, and what became of them, where that is witnessed.
    pub arrivals: Option<Arrivals>,
    /// Why it is not.
    pub uncounted: Option<String>,
    /// Entries in the kernel's table, live or not.
    pub entries: u64,
    pub before: Configuration,
    pub policy: Policy,
    /// UDP flows that were live at the removal and were scheduled anew.
    pub migrated: u64,
    /// TCP flows that were live at the removal and were cut, as the deadline said.
    #[serde(default)]
    pub cut: u64,
    /// Nothing more will happen: its state is final, nothing is owed, and what the removal cost is settled.
    pub over: bool,
    /// How it ended and what that cost, in a sentence; `null` until then.
    pub verdict: Option<String>,
    pub seconds_since_start: f64,
    /// From weight 0 to the removal.
    pub seconds_to_removal: Option<f64>,
    pub who: String,
    pub why: String,
    #[serde(default)]
    pub ticket: String,
    pub transitions: Vec<TransitionView>,
    /// When these facts were gathered: nanoseconds of `CLOCK_MONOTONIC`. Rises with every step.
    pub revision: u64,
}

impl DrainView {
    /// Nothing is left to wait for: it is over, the server is kept, or the deadline passed and changed nothing.
    pub fn is_settled(&self) -> bool {
        self.over || self.kept || (self.overdue && self.policy.on_deadline == OnDeadline::Hold)
    }
}

/// Live flows of one real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveView {
    pub udp: u64,
    /// TCP connections, and SCTP associations.
    pub tcp_open: u64,
    /// TCP connections past FIN or RST, and SCTP associations past SHUTDOWN or ABORT.
    pub tcp_closing: u64,
    /// Packets forwarded since the watch began.
    pub forwarded: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub last_packet: Option<Moment>,
}

impl LiveView {
    pub fn total(&self) -> u64 {
        self.udp + self.tcp_open + self.tcp_closing
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransitionView {
    pub from: State,
    pub to: State,
    pub seconds_since_start: f64,
    pub why: String,
}

impl From<&Record> for DrainView {
    fn from(record: &Record) -> Self {
        let observed = &record.observed;
        let now = observed.at.unwrap_or(record.started_at);
        let since_start = |at: Moment| at.since(record.started_at).as_secs_f64();
        let to_removal = record
            .removed_at()
            .zip(record.quiesced_at())
            .map(|(removed, quiesced)| removed.since(quiesced).as_secs_f64());
        let end = record.transitions.last().filter(|_| record.state.is_final());
        let counts = Counts::of(record);
        Self {
            id: record.id,
            service: record.service,
            server: record.server,
            state: record.state,
            reason: record.reason,
            failure: FailureView::of(record),
            overdue: record.overdue == Some(Overdue::Hard),
            shadow: record.shadow,
            forced: record.forced,
            kept: record.is_kept(),
            leaks: observed.leaks.clone(),
            held: observed.held.as_ref().map(ToString::to_string),
            evidence_unknown: observed.held.as_ref().is_some_and(Hold::is_unknown_evidence),
            live: observed.flows.and_then(Flows::counted).map(|flows| LiveView {
                udp: flows.udp,
                tcp_open: flows.tcp_open.max(u64::from(observed.active)),
                tcp_closing: flows.tcp_closing,
                forwarded: flows.forwarded,
                last_packet: flows.last_packet,
            }),
            rung: observed.flows.map(|flows| flows.rung),
            rung_cause: observed.lacking.better_rung.clone(),
            forwarded: counts.forwarded,
            arrivals: counts.arrivals,
            uncounted: counts.uncounted,
            entries: observed.entries,
            before: record.before,
            policy: record.policy,
            migrated: record.removal.map_or(0, |removal| removal.migrated),
            cut: record.removal.map_or(0, |removal| removal.cut),
            over: record.is_over(),
            verdict: end
                .filter(|_| !record.is_counting())
                .map(|end| verdict(record, &end.why)),
            seconds_since_start: since_start(end.map_or(now, |end| end.at)),
            seconds_to_removal: to_removal,
            who: record.who.clone(),
            why: record.why.clone(),
            ticket: record.ticket.clone(),
            transitions: record
                .transitions
                .iter()
                .map(|step| TransitionView {
                    from: step.from,
                    to: step.to,
                    seconds_since_start: since_start(step.at),
                    why: step.why.clone(),
                })
                .collect(),
            revision: now.as_nanos(),
        }
    }
}

/// What became of the packets: as settled, else as last seen.
#[derive(Debug, Default)]
struct Counts {
    forwarded: Option<u64>,
    arrivals: Option<Arrivals>,
    uncounted: Option<String>,
}

impl Counts {
    fn of(record: &Record) -> Self {
        match record.outcome.clone() {
            Some(Outcome::Counted { forwarded, arrivals }) => Self {
                forwarded: Some(forwarded),
                arrivals: Some(arrivals),
                uncounted: None,
            },
            Some(Outcome::Uncounted { forwarded, why }) => Self {
                forwarded,
                arrivals: None,
                uncounted: Some(why),
            },
            None => {
                let seen = record.observed.flows.and_then(Flows::counted);
                let arrivals = seen.and_then(|flows| flows.arrivals);
                let why = &record.observed.lacking.arrivals;
                Self {
                    forwarded: seen.map(|flows| flows.forwarded),
                    arrivals,
                    uncounted: why.clone().filter(|_| arrivals.is_none()),
                }
            }
        }
    }
}

fn verdict(record: &Record, why: &str) -> String {
    let cost = match (&record.outcome, record.state) {
        (Some(outcome), State::Removed | State::Yielded) => format!("; {outcome}"),
        _ => String::new(),
    };
    format!("{}: {why}{cost}", record.state)
}
