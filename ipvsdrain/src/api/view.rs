//! The JSON that travels over the socket; drains and flows have their own files.

use serde::{Deserialize, Serialize};

use super::drain_view::DrainView;
use super::health_view::HealthView;
use crate::drain::Changes;
use crate::identity::{RealServer, VirtualService};
use crate::supervise::{JournalCondition, Listing};

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
    /// Of every server that somebody spoke of.
    #[serde(default)]
    pub health: Vec<HealthView>,
    /// Names of the attached eBPF programs.
    pub attached: Vec<String>,
    pub journal: JournalView,
}

/// How the daemon's journal does. While it does not work, nothing is begun, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalView {
    pub ok: bool,
    /// What is wrong with it, and what to do about it; `null` while it works.
    pub fault: Option<String>,
    /// The journal was read since the daemon's start, so `drains` are all there are.
    pub drains_known: bool,
    /// While they are not known: the servers at weight 0, each of which may be a drain's.
    pub at_weight_zero: Vec<ServerName>,
}

impl JournalView {
    /// What a server with this weight is called that no drain under way is known of.
    pub fn word_without_drain(&self, weight: u32) -> &'static str {
        match weight {
            0 if self.drains_known => "foreign",
            0 => "unknown",
            _ => "pooled",
        }
    }

    pub(crate) fn of(condition: &JournalCondition, services: &Listing) -> Self {
        let servers = services.iter().flat_map(|listed| {
            let at_zero = listed
                .servers
                .iter()
                .filter(|server| server.configuration.weight == 0);
            at_zero.map(|server| ServerName {
                service: listed.service,
                server: server.server,
            })
        });
        Self {
            ok: condition.fault.is_none(),
            fault: condition.fault.as_ref().map(ToString::to_string),
            drains_known: condition.drains_known,
            at_weight_zero: if condition.drains_known {
                Vec::new()
            } else {
                servers.collect()
            },
        }
    }
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
    /// Whoever asks may look and not act.
    Forbidden,
    /// There is no such drain.
    NotFound,
    /// The host or the journal failed.
    Failed,
}
