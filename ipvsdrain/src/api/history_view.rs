//! Drains of the past as JSON, over or not: who wanted what, and what came of it.

use serde::{Deserialize, Serialize};

use super::drain_view::DrainView;
use super::health_view::FailureView;
use crate::calendar;
use crate::drain::{Reason, Record, State};
use crate::identity::{RealServer, VirtualService};
use crate::supervise::REBOOTED;

/// How many drains are told unless asked otherwise.
pub const DEFAULT_PAST: u32 = 20;
/// And how many can be asked for: whoever reads them keeps the drains under way waiting.
pub const LARGEST_PAST: u32 = 1_000;

/// Which drains are asked for: those that match all that is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryAsked {
    pub service: Option<VirtualService>,
    pub server: Option<RealServer>,
    /// Begun at this second since 1970, or later.
    pub from: Option<u64>,
    /// 1 to [`LARGEST_PAST`], the newest ones.
    #[serde(default = "default_past")]
    pub limit: u32,
}

const fn default_past() -> u32 {
    DEFAULT_PAST
}

/// What the journal holds of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryView {
    /// Newest first.
    pub drains: Vec<PastDrain>,
}

/// One drain, as far as the journal tells it. What is seen of one that is under way, the drain itself shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastDrain {
    pub id: u64,
    /// When it was asked for: UTC, RFC 3339.
    pub began: String,
    /// The same in seconds since 1970.
    pub began_unix: u64,
    pub service: VirtualService,
    pub server: RealServer,
    pub reason: Reason,
    /// What failed, of a drain for failure; it stays when maintenance takes the drain over. Else `null`.
    #[serde(default)]
    pub failure: Option<FailureView>,
    pub who: String,
    pub why: String,
    pub ticket: String,
    pub forced: bool,
    pub shadow: bool,
    pub state: State,
    pub over: bool,
    /// From the request to the final state; `null` before that, and where the machine was rebooted in between.
    pub seconds_to_end: Option<f64>,
    /// Packets that nobody forwarded; `null` where that was not counted.
    pub lost: Option<u64>,
    /// Flows that were scheduled anew; `null` likewise.
    pub rescheduled: Option<u64>,
    /// Why they were not counted, where a count was due.
    pub uncounted: Option<String>,
    /// How it ended and what that cost, in a sentence; `null` until then.
    pub verdict: Option<String>,
}

impl From<&Record> for PastDrain {
    fn from(record: &Record) -> Self {
        let rebooted = record.transitions.last().is_some_and(|last| last.why == REBOOTED);
        let view = DrainView::from(record);
        Self {
            id: view.id,
            began: calendar::rfc3339(record.started_unix),
            began_unix: record.started_unix,
            service: view.service,
            server: view.server,
            reason: view.reason,
            failure: view.failure,
            who: view.who,
            why: view.why,
            ticket: view.ticket,
            forced: view.forced,
            shadow: view.shadow,
            state: view.state,
            over: view.over,
            seconds_to_end: (view.state.is_final() && !rebooted).then_some(view.seconds_since_start),
            lost: view.arrivals.map(|arrivals| arrivals.lost),
            rescheduled: view.arrivals.map(|arrivals| arrivals.moved),
            uncounted: view.uncounted,
            verdict: view.verdict,
        }
    }
}
