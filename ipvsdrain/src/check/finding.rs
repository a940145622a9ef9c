//! What one try of one real server found.

use std::time::Duration;

use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// One result of one check of one real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub service: VirtualService,
    pub server: RealServer,
    /// Names the check: `check:dns`.
    pub source: String,
    pub outcome: Outcome,
    /// When the result came.
    pub at: Moment,
    pub rise: u32,
    pub fall: u32,
    /// With no newer finding by then, nothing is known by this source.
    pub stale_after: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// The server did not do as it should; in short.
    Failed(String),
    /// The check itself could not be made, which says nothing about the server.
    NoResult(String),
}
