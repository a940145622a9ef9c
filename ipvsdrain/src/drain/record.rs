//! The record of a drain: what it was asked, what was before, where it stands.
//!
//! Everything but [`Record::observed`] is durable: the journal keeps it, and a restarted daemon goes on from it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::agreement::Ahead;
use super::deadline::Overdue;
use super::evidence::Witness;
use super::facts::{Flows, Lacking};
use super::failing::Failure;
use super::floor::Capacity;
use super::hold::Hold;
use super::leak::{AtQuiesce, Leaks};
use super::lending::Borrowed;
use super::lull::Lull;
use super::outcome::Outcome;
use super::policy::{Policy, Then};
use super::restoring::Ramp;
use super::state::State;
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
    #[serde(default)]
    pub reason: Reason,
    /// Who asked, and why: free text.
    pub who: String,
    pub why: String,
    /// The number of a change or an incident: free text.
    #[serde(default)]
    pub ticket: String,
    /// Asked for in spite of the capacity floor.
    #[serde(default)]
    pub forced: bool,
    /// Decide and count, and change nothing.
    #[serde(default)]
    pub shadow: bool,
    pub policy: Policy,
    /// The server as it was before weight 0; of an adopted one the weight is 0 where nobody knows it.
    pub before: Configuration,
    /// What the service could do without it, when the drain began.
    #[serde(default)]
    pub capacity: Capacity,
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
    /// Settings that are on because of this drain, and what they are owed.
    #[serde(default)]
    pub borrowed: Borrowed,
    #[serde(default)]
    pub overdue: Option<Overdue>,
    /// How often it was quiesced again after another hand gave it a weight.
    #[serde(default)]
    pub reasserted: u32,
    /// Since when it is out of the table by another hand, where its return is waited for.
    #[serde(default)]
    pub gone_since: Option<Moment>,
    /// Where the count of new flows stood at weight 0.
    #[serde(default)]
    pub at_quiesce: Option<AtQuiesce>,
    /// Of a drain for failure: what failed. It stays when maintenance takes the drain over.
    #[serde(default)]
    pub failure: Option<Failure>,
    /// Where a slow start stands.
    #[serde(default)]
    pub ramp: Option<Ramp>,
    /// When and for whom else it was asked for again: maintenance took over a drain for failure.
    #[serde(default)]
    pub taken_over: Option<TakenOver>,
    /// In shadow mode: when it would have been removed first.
    #[serde(default)]
    pub would_remove_at: Option<Moment>,
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
    /// TCP flows that were live then and cut, because the deadline said so.
    #[serde(default)]
    pub cut: u64,
    /// Requests that may have been unanswered then, under masquerade: their replies could not come back.
    #[serde(default)]
    pub risked: u64,
    /// It was not proven empty: the deadline had passed.
    #[serde(default)]
    pub by_deadline: bool,
    /// It was not proven empty: it was dead.
    #[serde(default)]
    pub by_failure: bool,
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
        self.state.is_final() && self.borrowed.is_empty() && !self.is_counting()
    }

    /// The server is gone, by us or under our eyes in shadow mode, and it is not settled yet whether packets were lost.
    pub fn is_counting(&self) -> bool {
        let gone = self.state == State::Removed || (self.shadow && self.state == State::Yielded);
        gone && self.removal.is_some() && self.outcome.is_none()
    }

    /// Nothing is left to do but to keep the server at weight 0.
    pub fn is_kept(&self) -> bool {
        self.state == State::Drained && self.policy.then == Then::Keep
    }

    /// Flows that are live, by all that is known: the observer's, and the connections that the kernel itself has open.
    pub fn live(&self) -> Option<u64> {
        let flows = self.observed.flows.and_then(Flows::counted)?;
        let tcp_open = flows.tcp_open.max(u64::from(self.observed.active));
        Some(flows.udp + tcp_open + flows.tcp_closing)
    }

    /// Those among them that began before weight 0. `None` where nobody can tell.
    pub fn pinned(&self) -> Option<u64> {
        let (live, quiesced) = (self.live()?, self.quiesced_at()?);
        if live == 0 {
            return Some(0);
        }
        let flows = self.observed.flows?;
        let leaked_none = self.at_quiesce?.saw_none_begin(&flows);
        // A watch that began after weight 0 does not know on which side of it an older flow began.
        let saw_both_sides = flows.watched_since <= quiesced;
        (leaked_none && saw_both_sides).then_some(live)
    }

    /// When whoever it is for asked for it.
    pub fn asked_at(&self) -> Moment {
        self.taken_over.map_or(self.started_at, |taken| taken.at)
    }

    /// The same in seconds since 1970.
    pub fn asked_unix(&self) -> u64 {
        self.taken_over.map_or(self.started_unix, |taken| taken.unix)
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

    /// When it reached the state it ends in.
    pub fn ended_at(&self) -> Option<Moment> {
        let last = self.transitions.last();
        last.filter(|step| step.to.is_final()).map(|step| step.at)
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

/// When maintenance took over a drain for failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOver {
    pub at: Moment,
    /// Seconds since 1970.
    pub unix: u64,
}

/// What a drain is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An operator or a script asked for it.
    #[default]
    Planned,
    /// A file in the maintenance folder asked for it; it is undone when the file is gone.
    Marker,
    /// Its checks failed.
    Failure,
    /// Another hand had set the weight to 0, and the configuration takes that for a request.
    Adopted,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Planned => "planned",
            Reason::Marker => "marker",
            Reason::Failure => "failure",
            Reason::Adopted => "adopted",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    pub at: Moment,
    pub from: State,
    pub to: State,
    pub why: String,
    /// What was seen then; a journal of before this was kept has none.
    #[serde(default)]
    pub evidence: Option<Seen>,
}

/// The evidence at a transition, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Live flows, if they were known.
    pub flows: Option<Flows>,
    pub entries: u64,
    /// For how long the kernel's counter had not moved, in seconds.
    pub still_secs: u64,
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
    pub leaks: Option<Leaks>,
    /// Waiting for a moment in which no request is unanswered.
    pub lull: Option<Lull>,
    pub held: Option<Hold>,
    /// An action of the last step failed: the fault's text.
    pub failed: Option<String>,
}
