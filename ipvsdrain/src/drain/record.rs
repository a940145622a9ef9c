//! The record of a drain: what it was asked, what was before, where it stands.
//!
//! Everything but [`Record::observed`] is durable: the journal keeps it, and a restarted daemon goes on from it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::agreement::Ahead;
use super::evidence::Witness;
use super::facts::{Flows, Lacking};
use super::outcome::Outcome;
use super::policy::Policy;
use crate::forwarding::Configuration;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// One drain of one real server from one virtual service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The journal's number for it; 0 until it has one.
    pub id: u64,
    pub service: VirtualService,
    pub server: RealServer,
    /// Who asked, and why: free text.
    pub who: String,
    pub why: String,
    pub policy: Policy,
    /// The server as it was before weight 0.
    pub before: Configuration,
    pub state: State,
    pub transitions: Vec<Transition>,
    /// Decided and journalled: a server now missing from the table was removed by us.
    pub removal: Option<Removal>,
    /// What the removal cost, once that is settled. A journal of before this was counted has none.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// How the two witnesses' counts compare, so that a later process can tell whether they still agree.
    #[serde(default)]
    pub ahead: Option<Ahead>,
    /// `expire_nodest_conn` is ours for a moment; this is the value to put back.
    pub borrowed_expire_nodest: Option<bool>,
    /// The boot in which [`Moment`]s and the kernel's table make sense.
    pub boot_id: String,
    pub started_at: Moment,
    /// Seconds since 1970, for people.
    pub started_unix: u64,
    /// What the last step saw. Not durable.
    #[serde(default)]
    pub observed: Observed,
}

/// A removal that was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When the kernel was last asked.
    pub asked_at: Moment,
    /// Entries of the server at that moment: the kernel has to flush them.
    pub entries: u64,
    /// UDP flows that were live then: the kernel schedules them anew.
    pub migrated: u64,
}

impl Removal {
    /// How long `expire_nodest_conn` must stay on after the kernel was asked. It flushes the entries of a removed
    /// server in a work item that starts a tick later; a datagram that meets one of them before, with the sysctl off
    /// again, is dropped. 40 000 entries were flushed within a second under emulation.
    pub fn flush_time(&self) -> Duration {
        Duration::from_secs(2 + self.entries / 20_000)
    }

    /// How long the watch stays after the kernel was asked: until it has flushed, and long enough for the packets
    /// of a client that sends every few seconds.
    pub fn aftermath(&self) -> Duration {
        self.flush_time().max(Duration::from_secs(5))
    }
}

impl Record {
    /// Its end was reached, nothing is owed any more, and what it cost is settled.
    pub fn is_over(&self) -> bool {
        self.state.is_final() && self.borrowed_expire_nodest.is_none() && !self.is_counting()
    }

    /// The server is gone, and it is not settled yet whether packets were lost.
    pub fn is_counting(&self) -> bool {
        self.state == State::Removed && self.removal.is_some() && self.outcome.is_none()
    }

    /// When the server was first seen at weight 0.
    pub fn quiesced_at(&self) -> Option<Moment> {
        self.transitions
            .iter()
            .find(|step| step.from == State::Pooled)
            .map(|step| step.at)
    }

    /// When it was found to be out of the table.
    pub fn removed_at(&self) -> Option<Moment> {
        self.transitions
            .iter()
            .rev()
            .find(|step| step.to == State::Removed)
            .map(|step| step.at)
    }

    /// The record as the journal keeps it.
    #[must_use]
    pub fn durable(&self) -> Record {
        Record {
            observed: Observed::default(),
            ..self.clone()
        }
    }
}

/// Where a drain stands. `pooled -> draining -> quiet -> drained -> removed` is the way it means to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Recorded; the weight is not known to be 0 yet.
    Pooled,
    /// Weight 0, flows are live or the evidence is not in.
    Draining,
    /// No flow is live; the silence has not lasted long enough on both witnesses.
    Quiet,
    /// Proven empty.
    Drained,
    /// Out of the table, by us.
    Removed,
    /// On the way back to its weight.
    Restoring,
    /// Back with its weight and attributes.
    Restored,
    /// Another hand changed the server meanwhile: nothing more is done to it.
    Yielded,
}

impl State {
    /// Nothing more happens to the server in this state.
    pub const fn is_final(self) -> bool {
        matches!(self, State::Removed | State::Restored | State::Yielded)
    }

    pub const fn word(self) -> &'static str {
        match self {
            State::Pooled => "pooled",
            State::Draining => "draining",
            State::Quiet => "quiet",
            State::Drained => "drained",
            State::Removed => "removed",
            State::Restoring => "restoring",
            State::Restored => "restored",
            State::Yielded => "yielded",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    pub at: Moment,
    pub from: State,
    pub to: State,
    pub why: String,
}

/// What the last step saw.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    pub at: Option<Moment>,
    /// The live flows, if they are known.
    pub flows: Option<Flows>,
    #[serde(default)]
    pub lacking: Lacking,
    /// Entries of the kernel's table in an active TCP state.
    pub active: u32,
    pub entries: u64,
    pub witness: Option<Witness>,
    pub held: Option<Hold>,
    /// An action of the last step failed: the fault's text.
    pub failed: Option<String>,
}

/// Why a drain does not go on. Each names what would let it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "cause", content = "detail")]
pub enum Hold {
    #[error("the IPVS table cannot be read: {0}")]
    TableUnknown(String),
    #[error("evidence unknown: live flows cannot be observed: {0}")]
    FlowsUnknown(String),
    #[error("evidence unknown: the kernel's packet counters cannot be trusted: {0}")]
    CountersUnknown(String),
    #[error(
        "evidence contradicts itself: the kernel counted packets to this server that the observer did not see; \
         both must be silent for a whole quiet window"
    )]
    ObserverBlind,
    #[error(
        "evidence contradicts itself: packets are forwarded to this server and the kernel's counter stands still; \
         look at net.ipv4.vs.run_estimation and est_cpulist"
    )]
    CountersFrozen,
    #[error(
        "{0} entries are left, net.ipv4.vs.expire_nodest_conn is 0 and may not be touched: they must expire first"
    )]
    EntriesLeft(u64),
    #[error(
        "pinned UDP flows can only be migrated with net.ipv4.vs.expire_nodest_conn=1: set it, or allow the scoped \
         use of it"
    )]
    MigrationNeedsSysctl,
    #[error(
        "pinned UDP flows can only be migrated where flows are counted: the kernel's counters do not tell UDP from \
         TCP, so this waits until no packet is forwarded"
    )]
    MigrationNeedsFlows,
    #[error("net.ipv4.vs.expire_nodest_conn cannot be read: {0}")]
    SysctlUnknown(String),
    #[error("no other real server of the service has a weight: its flows would have nowhere to go")]
    NoOtherServer,
    #[error("{0}")]
    ActionFailed(String),
}

impl Hold {
    /// Nothing can be concluded; the drain goes on as soon as the evidence is back.
    pub const fn is_unknown_evidence(&self) -> bool {
        matches!(
            self,
            Hold::TableUnknown(_)
                | Hold::FlowsUnknown(_)
                | Hold::CountersUnknown(_)
                | Hold::ObserverBlind
                | Hold::CountersFrozen
                | Hold::SysctlUnknown(_)
        )
    }
}
