//! What the health of a real server means while no drain for failure of it is under way: whether one is to begin, or a
//! removed server is to come back.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::failing::{Failure, FailurePolicy, Next, OnFailure};
use super::hold::Hold;
use super::record::{Reason, Record};
use super::state::State;
use crate::health::{Belief, Health, Verdict};
use crate::moment::Moment;

/// Where a real server stands between its health and its drains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "because")]
pub enum Stance {
    Well,
    /// Nobody knows; why.
    Unknown(String),
    /// It fails, and no other server of the service was found well since.
    Awaited,
    /// It fails, and so do all others.
    AllFail,
    /// It fails, and is to be quiesced.
    Failing,
    /// It fails, and is not quiesced; why. Tried again as long as it fails.
    Needed(String),
    /// It fails, and the policy is to say so and no more.
    Reported,
    /// It fails, and somebody gave it its weight back: left alone until it was well.
    LeftAlone,
    /// It fails and is at weight 0 by another hand: not ours.
    Foreign,
    /// It is drained for its failure.
    Quiesced,
    /// It is down for maintenance: its health changes nothing.
    Maintenance,
    /// It was removed for its failure, and is not well yet.
    Removed,
    /// It was removed for its failure, is well again, and comes back when it was for so many seconds.
    HeldDown(u64),
    /// It was removed or quiesced for its failure, and is to come back, or on its way; why.
    Returning(String),
}

impl Stance {
    /// Somebody should look at it.
    pub const fn is_alarm(&self) -> bool {
        matches!(self, Stance::AllFail | Stance::Needed(_))
    }

    pub const fn word(&self) -> &'static str {
        match self {
            Stance::Well => "well",
            Stance::Unknown(_) => "unknown",
            Stance::Awaited | Stance::Failing => "failing",
            Stance::AllFail => "all fail",
            Stance::Needed(_) => "failing but needed",
            Stance::Reported => "failing, only reported",
            Stance::LeftAlone => "failing, left alone",
            Stance::Foreign => "failing, foreign",
            Stance::Quiesced => "quiesced",
            Stance::Maintenance => "in maintenance",
            Stance::Removed => "removed",
            Stance::HeldDown(_) => "held down",
            Stance::Returning(_) => "returning",
        }
    }
}

impl fmt::Display for Stance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stance::Well => f.write_str("it is well"),
            Stance::Unknown(why) => write!(f, "unknown: {why}"),
            Stance::Failing => f.write_str("it fails"),
            Stance::Awaited => f.write_str(
                "it fails; it is quiesced as soon as another server of the service is found well",
            ),
            Stance::AllFail => f.write_str(
                "it fails, and so do all servers of the service: more likely the checker is at fault, so nothing is \
                 done",
            ),
            Stance::Needed(why) => write!(f, "it fails, and keeps its weight: {why}"),
            Stance::Reported => f.write_str("it fails; the policy is to say so and to do nothing"),
            Stance::LeftAlone => f.write_str(
                "it fails, and another hand ended its drain: left alone until it was found well once",
            ),
            Stance::Foreign => f.write_str("it fails, and another hand had set its weight to 0: not touched"),
            Stance::Quiesced => f.write_str("it is drained for its failure"),
            Stance::Maintenance => f.write_str("it is in maintenance: its health changes nothing"),
            Stance::Removed => f.write_str("it was removed for its failure, and is not well yet"),
            Stance::HeldDown(secs) => write!(
                f,
                "it was removed for its failure, and comes back once it was well for {secs} s"
            ),
            Stance::Returning(why) => write!(f, "it comes back: {why}"),
        }
    }
}

/// Reads the stance of a server from its health, its newest drain, and its weight in the table, if it is there.
pub fn stance(
    health: &Health,
    newest: Option<&Record>,
    weight: Option<u32>,
    policy: &FailurePolicy,
    now: Moment,
) -> Stance {
    match newest {
        Some(record) if !record.state.is_final() && record.reason == Reason::Failure => {
            return under_way(record);
        }
        Some(record) if !record.state.is_final() => return Stance::Maintenance,
        Some(record) if record.state == State::Removed && weight.is_none() => {
            return removed(record, health, now);
        }
        _ => {}
    }
    match &health.verdict {
        Verdict::Up => Stance::Well,
        Verdict::Unknown(why) => Stance::Unknown(why.clone()),
        Verdict::Down { .. } => match weight {
            Some(1..) if newest.is_some_and(|record| is_left_alone(record, health)) => Stance::LeftAlone,
            None => Stance::Unknown("it is not in the table".to_owned()),
            Some(0) => Stance::Foreign,
            Some(_) if policy.then == OnFailure::Report => Stance::Reported,
            Some(_) => match health.belief {
                Belief::Believed => Stance::Failing,
                Belief::Awaited => Stance::Awaited,
                Belief::AllFail => Stance::AllFail,
            },
        },
    }
}

/// Of a drain for failure that is not over.
fn under_way(record: &Record) -> Stance {
    match (record.state, &record.observed.held) {
        (State::Restoring, _) => Stance::Returning(
            record
                .transitions
                .last()
                .map_or_else(String::new, |step| step.why.clone()),
        ),
        (State::Pooled, Some(hold @ Hold::Floor(_))) => Stance::Needed(hold.to_string()),
        (State::Pooled, Some(Hold::CheckerSuspected)) => Stance::AllFail,
        (State::Pooled, Some(Hold::FailureAwaited)) => Stance::Awaited,
        _ => Stance::Quiesced,
    }
}

fn removed(record: &Record, health: &Health, now: Moment) -> Stance {
    let Some(failure) = record
        .failure
        .as_ref()
        .filter(|_| record.reason == Reason::Failure)
    else {
        return Stance::Maintenance;
    };
    match failure.next(Some(health), &record.policy.failure, now) {
        Next::PutBack(why) => Stance::Returning(why),
        Next::HeldDown(needed) => Stance::HeldDown(needed.as_secs()),
        Next::Unknown(why) => Stance::Unknown(why),
        Next::Stay | Next::Awaited | Next::Remove | Next::Suspect => Stance::Removed,
    }
}

/// Its failure was dealt with, and a hand from outside ended that: an operator's `restore`, or whoever changed its
/// weight, or put it back after it was removed. Before it was found well once, this is not done again.
fn is_left_alone(record: &Record, health: &Health) -> bool {
    let ended_by_others = record.state.is_final()
        && record.reason == Reason::Failure
        && record.failure.as_ref().is_some_and(|failure| !failure.recovered);
    ended_by_others
        && record
            .ended_at()
            .is_none_or(|end| health.last_pass.is_none_or(|pass| pass <= end))
}

/// The failure to begin a drain for; what was held against the server before counts on.
pub fn failure(health: &Health, newest: Option<&Record>, policy: &FailurePolicy) -> Option<Failure> {
    let before = newest.and_then(|record| record.failure.as_ref());
    Failure::of(health, before, policy)
}
