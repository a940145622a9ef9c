//! A check that is known to make sense, ready to be made.

use std::sync::Arc;
use std::time::Duration;

use super::kind::Kind;
use super::settings::Check;
use crate::health::{Finding, Outcome};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) check: Check,
    pub(super) kind: Kind,
    /// What it is called as a source of findings.
    pub(super) source: Arc<str>,
}

impl Job {
    /// `None` where the check makes no sense, which the configuration refuses.
    pub(super) fn of(check: &Check) -> Option<Self> {
        Some(Self {
            kind: check.kind().ok()?,
            source: format!("check:{}", check.name()).into(),
            check: check.clone(),
        })
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(self.check.interval_ms.into())
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.check.timeout_ms.into())
    }

    pub(super) fn finding(
        &self,
        service: VirtualService,
        server: RealServer,
        outcome: Outcome,
        (began, at): (Moment, Moment),
    ) -> Finding {
        Finding {
            service,
            server,
            source: self.source.to_string(),
            outcome,
            began,
            at,
            rise: self.check.rise,
            fall: self.check.fall,
            stale_after: self.interval() * 3 + self.timeout(),
            stands: false,
        }
    }
}
