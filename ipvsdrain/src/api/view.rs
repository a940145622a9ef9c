//! The JSON that travels over the socket.

use serde::{Deserialize, Serialize};

use crate::drain::{Hold, Policy, Record, State};
use crate::forwarding::Configuration;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;
use crate::supervise::Listing;

/// A drain as asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    pub service: VirtualService,
    pub server: RealServer,
    #[serde(default)]
    pub policy: Policy,
    /// Who asks and why, for the record.
    #[serde(default)]
    pub who: String,
    #[serde(default)]
    pub why: String,
}

/// One real server of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerName {
    pub service: VirtualService,
    pub server: RealServer,
}

/// What a waiting client asks: the drain, once its revision is above `after`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Asked {
    pub service: VirtualService,
    pub server: RealServer,
    #[serde(default)]
    pub after: Option<u64>,
}

/// A drain as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrainView {
    pub id: u64,
    pub service: VirtualService,
    pub server: RealServer,
    pub state: State,
    /// Why it does not go on, in a sentence; `null` while it does.
    pub held: Option<String>,
    /// The evidence is missing, stale or contradictory.
    pub evidence_unknown: bool,
    /// Live flows, or `null` while they are not known.
    pub live: Option<LiveView>,
    /// Entries in the kernel's table, live or not.
    pub entries: u64,
    pub before: Configuration,
    pub policy: Policy,
    /// UDP flows that were live at the removal and were scheduled anew.
    pub migrated: u64,
    /// Nothing more will happen: its state is final and nothing is owed.
    pub over: bool,
    /// How it ended, in a sentence; `null` until then.
    pub verdict: Option<String>,
    pub seconds_since_start: f64,
    /// From weight 0 to the removal.
    pub seconds_to_removal: Option<f64>,
    pub who: String,
    pub why: String,
    pub transitions: Vec<TransitionView>,
    /// When these facts were gathered: nanoseconds of `CLOCK_MONOTONIC`. Rises with every step.
    pub revision: u64,
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

/// The host at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub services: Listing,
    pub drains: Vec<DrainView>,
    /// Names of the attached eBPF programs.
    pub attached: Vec<String>,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{error}")]
pub struct Problem {
    pub kind: ProblemKind,
    pub error: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The request cannot be read.
    Malformed,
    /// Carrying it out would hurt.
    Refused,
    /// There is no such drain.
    NotFound,
    /// The host or the journal failed.
    Failed,
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
        Self {
            id: record.id,
            service: record.service,
            server: record.server,
            state: record.state,
            held: observed.held.as_ref().map(ToString::to_string),
            evidence_unknown: observed.held.as_ref().is_some_and(Hold::is_unknown_evidence),
            live: observed.flows.map(|flows| LiveView {
                udp: flows.udp,
                tcp_open: flows.tcp_open.max(u64::from(observed.active)),
                tcp_closing: flows.tcp_closing,
                forwarded: flows.forwarded,
                last_packet: flows.last_packet,
            }),
            entries: observed.entries,
            before: record.before,
            policy: record.policy,
            migrated: record.removal.map_or(0, |removal| removal.migrated),
            over: record.is_over(),
            verdict: end.map(|end| format!("{}: {}", record.state, end.why)),
            seconds_since_start: since_start(end.map_or(now, |end| end.at)),
            seconds_to_removal: to_removal,
            who: record.who.clone(),
            why: record.why.clone(),
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
