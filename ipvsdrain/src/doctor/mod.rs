//! `ipvsdrain doctor`: is this host fit for drains, and what do its settings mean for them?
//!
//! Owns the facts that are looked at ([`facts`], [`gather`]), what is thought of them ([`judge`], [`settings`], pure) and
//! the few repairs that are safe and can be undone ([`repair`]). Needs no daemon. Never sets a sysctl, never touches the
//! table, never attaches a program.

mod facts;
mod gather;
mod judge;
#[cfg(test)]
pub(crate) mod judge_tests;
mod repair;
mod settings;

use serde::{Deserialize, Serialize};

pub use facts::{Asked, Facts};
pub use gather::gather;
pub use judge::judge;
pub use repair::{Repair, repair};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// Drains work, and it is worth knowing what they will lack or run into.
    Warn,
    /// Drains do not work, or not in time.
    Fail,
}

impl Verdict {
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub verdict: Verdict,
    pub found: String,
    /// What to do about it, or what it means for drains; empty where there is nothing to say.
    pub advice: String,
}

impl Check {
    fn new(name: &str, verdict: Verdict, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            verdict,
            found: found.into(),
            advice: advice.into(),
        }
    }

    fn ok(name: &str, found: impl Into<String>) -> Self {
        Self::new(name, Verdict::Ok, found, "")
    }
}
