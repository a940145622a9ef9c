//! One result about one real server, by a check of our own or by a report from elsewhere.

use std::time::Duration;

use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// What one source found about one real server of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub service: VirtualService,
    pub server: RealServer,
    /// `check:NAME` or `report:NAME`.
    pub source: String,
    pub outcome: Outcome,
    /// When the look at the server began: what it found is true from then on, if not for longer.
    pub began: Moment,
    /// When it ended.
    pub at: Moment,
    /// How many in a row make it up.
    pub rise: u32,
    /// How many failures in a row make it down.
    pub fall: u32,
    /// With no newer finding by then the source is unknown.
    pub stale_after: Duration,
    /// What it says stands until then, as in a report that is made when something changes. What a check finds is true of
    /// that moment.
    pub stands: bool,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// A short cause.
    Failed(String),
    /// The source itself could not tell, and why.
    NoResult(String),
    /// The source speaks of this server no more.
    Withdrawn,
}
