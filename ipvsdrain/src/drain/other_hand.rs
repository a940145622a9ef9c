//! Another program or operator changed the server, or its service, in mid-drain.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::facts::Facts;
use super::hold::Hold;
use super::policy::OtherHands;
use super::state::State;
use super::step::Step;
use crate::forwarding::Configuration;
use crate::moment::Moment;

/// What another hand did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherHand {
    /// It gave the server this weight.
    Raised(u32),
    /// It took the server out of the table.
    Removed,
    /// It took the virtual service out of the table, or flushed it all.
    ServiceGone,
}

impl fmt::Display for OtherHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OtherHand::Raised(weight) => write!(f, "another hand set its weight to {weight}"),
            OtherHand::Removed => f.write_str("another hand removed it"),
            OtherHand::ServiceGone => f.write_str("its virtual service is gone from the table"),
        }
    }
}

impl Step {
    /// Yields, insists or raises the alarm, as the policy says.
    pub(super) fn other_hand(&mut self, what: OtherHand, facts: &Facts, now: Moment) -> Option<Hold> {
        let policy = if self.record.shadow {
            OtherHands::Yield
        } else {
            self.record.policy.other_hands
        };
        let mut capacity = facts.capacity;
        if let OtherHand::Raised(weight) = what {
            // Their newest word on what it is to have in service. Whatever begins there until then is no leak.
            let before = std::mem::replace(&mut self.record.before.weight, weight);
            capacity = capacity.reweighed(before, weight);
            self.record.at_quiesce = None;
        }
        match (policy, what) {
            (OtherHands::Alarm, _) => Some(Hold::OtherHand(what)),
            (OtherHands::Reassert, OtherHand::Raised(_))
                if self.record.reasserted < OtherHands::REASSERTIONS =>
            {
                // It may have been raised because it is needed.
                if let Err(held) = self.floor(capacity) {
                    return Some(held);
                }
                self.record.reasserted += 1;
                self.actions.push(Action::Quiesce);
                let why = format!("{what}; quiesced again ({})", self.record.reasserted);
                self.go(State::Draining, why, now);
                None
            }
            (OtherHands::Reassert, OtherHand::Removed | OtherHand::ServiceGone)
                if self.gone_for(now) < OtherHands::WAIT_FOR_RETURN =>
            {
                Some(Hold::OtherHand(what))
            }
            (OtherHands::Yield | OtherHands::Reassert, _) => {
                self.go(State::Yielded, what.to_string(), now);
                None
            }
        }
    }

    fn gone_for(&mut self, now: Moment) -> std::time::Duration {
        now.since(*self.record.gone_since.get_or_insert(now))
    }

    /// What another hand changed besides the weight is what the server is to come back with.
    pub(super) fn take_over_attributes(&mut self, seen: &Configuration) {
        self.record.before = Configuration {
            weight: self.record.before.weight,
            ..*seen
        };
    }
}
