//! Leaks: flows that began at a server after its weight was set to 0. They should not; each has a cause.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::facts::{AtZero, Evidence, Facts, Flows, Rung};
use crate::moment::Moment;

/// What the observer had counted when the weight was first seen to be 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtQuiesce {
    /// Which watch counted: another one knows nothing of what this one saw.
    watched_since: Moment,
    started: u64,
}

/// Flows that leaked, why, and what would stop it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaks {
    /// Since the weight was 0, or since the watch began if that was later.
    pub flows: u64,
    pub cause: String,
    pub remedy: String,
}

impl AtQuiesce {
    /// Remembers where the count stood; keeps what is known of the same watch.
    pub(super) fn sample(before: Option<Self>, flows: Option<&Flows>) -> Option<Self> {
        let Some(flows) = flows.filter(|flows| flows.rung == Rung::Probes) else {
            return before;
        };
        before
            .filter(|before| before.watched_since == flows.watched_since)
            .or(Some(Self {
                watched_since: flows.watched_since,
                started: flows.started,
            }))
    }

    /// Is it known that no flow began since?
    pub(super) fn saw_none_begin(self, flows: &Flows) -> bool {
        flows.rung == Rung::Probes
            && flows.watched_since == self.watched_since
            && flows.started <= self.started
    }

    pub(super) fn leaks(self, flows: &Flows, facts: &Facts) -> Option<Leaks> {
        let leaked = flows.started.saturating_sub(self.started);
        (leaked > 0 && flows.watched_since == self.watched_since).then(|| Leaks::explained(leaked, facts))
    }
}

impl Leaks {
    fn explained(flows: u64, facts: &Facts) -> Self {
        let service = match &facts.service {
            Evidence::Known(Some(service)) => Some(service),
            _ => None,
        };
        let (cause, remedy) = if service.is_some_and(|service| service.persistent)
            && facts.expire_quiescent_template != Evidence::Known(true)
        {
            (
                "the service is persistent, and its clients keep their server also for new flows",
                "drain with --persistence set, or set net.ipv4.vs.expire_quiescent_template to 1",
            )
        } else if service.is_some_and(|service| {
            matches!(service.scheduler.at_zero, AtZero::Fallback(false) | AtZero::Drops)
        }) {
            (
                "the scheduler keeps sending a share of the new flows to a server at weight 0",
                "drain with --fallback set, or give the service its scheduler's fallback flag",
            )
        } else if facts.reuses_connections == Evidence::Known(true) {
            (
                "net.ipv4.vs.conn_reuse_mode is 0: a client that connects from the same port meets its old entry",
                "set net.ipv4.vs.conn_reuse_mode to 1, or net.ipv4.vs.expire_nodest_conn to 1",
            )
        } else {
            (
                "they came with the weight that another hand gave the server meanwhile, or by way of another director \
                 whose connections are synchronised to this one",
                "look at `ipvsdrain flows`, and drain the server on every director",
            )
        };
        Self {
            flows,
            cause: cause.to_owned(),
            remedy: remedy.to_owned(),
        }
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flows, cause, remedy } = self;
        write!(f, "{flows} flows began after weight 0: {cause}; {remedy}")
    }
}
