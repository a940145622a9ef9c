//! What a decision asks for: a closed set of effects, and what it wants said.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::deadline::Overdue;
use super::hold::Hold;
use super::leak::Leaks;
use super::lending::Setting;
use super::outcome::Outcome;
use super::state::State;
use crate::forwarding::Configuration;

/// One effect. The executor performs them in order and stops at the first that changes the kernel and fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Let the observer count this real server's flows.
    Watch,
    /// Stop counting them.
    Unwatch,
    /// Set the weight to 0.
    Quiesce,
    /// Turn a borrowed setting on, or give it back.
    Set(Setting, bool),
    /// Take the server out of the table. `needs_expire_nodest`: only while the sysctl reads 1 right before it.
    Remove { needs_expire_nodest: bool },
    /// Give the server this weight.
    SetWeight(u32),
    /// Put a removed server back with all its attributes.
    Add(Configuration),
}

/// What an operator should read about a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    Transition {
        from: State,
        to: State,
        why: String,
    },
    Held(Hold),
    Released(Hold),
    Settled(Outcome),
    Overdue {
        overdue: Overdue,
        lasted_secs: u64,
    },
    Leaking(Leaks),
    /// In shadow mode: this is what would have been done to the kernel now.
    WouldRemove,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Transition { from, to, why } => write!(f, "{from} -> {to}: {why}"),
            Note::Held(hold) => write!(f, "held: {hold}"),
            Note::Released(hold) => write!(f, "no longer held: {hold}"),
            Note::Settled(outcome) => outcome.fmt(f),
            Note::Overdue { overdue, lasted_secs } => {
                let which = match overdue {
                    Overdue::Soft => "soft deadline",
                    Overdue::Hard => "deadline",
                };
                write!(
                    f,
                    "overdue: the {which} passed, {lasted_secs} s after the request"
                )
            }
            Note::Leaking(leaks) => write!(f, "leaking: {leaks}"),
            Note::WouldRemove => f.write_str("in shadow mode: the server would be removed now"),
        }
    }
}
