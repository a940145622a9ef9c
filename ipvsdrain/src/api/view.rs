//! The JSON that travels over the socket; drains and flows have their own files.

use serde::{Deserialize, Serialize};

use super::drain_view::DrainView;
use crate::drain::Changes;
use crate::identity::{RealServer, VirtualService};
use crate::supervise::Listing;

/// A drain as asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    pub service: VirtualService,
    pub server: RealServer,
    /// What is to differ from the configured policy.
    #[serde(default)]
    pub policy: Changes,
    /// Who asks and why, for the record.
    #[serde(default)]
    pub who: String,
    #[serde(default)]
    pub why: String,
    #[serde(default)]
    pub ticket: String,
    /// In spite of the capacity floor; needs a `why`.
    #[serde(default)]
    pub force: bool,
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
