//! The aftermath of a removal: which packets of the server's flows nobody forwarded.
//!
//! What a removal costs shows only after it: late packets arrive, and the kernel schedules their flows anew or drops
//! them. So the watch outlives the removal for [`Removal::aftermath`], where arrivals are witnessed. Then the count is
//! final, and durable. A count that is not whole is none.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::facts::{Arrivals, Evidence, Facts, Flows, Rung};
use super::record::{Record, Removal};
use crate::moment::Moment;

/// What became of the packets of a removed server's flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Since the watch began, through the removal and its aftermath.
    Counted { forwarded: u64, arrivals: Arrivals },
    /// Nobody knows whether a packet was lost.
    Uncounted {
        /// Packets forwarded here, if flows were counted at least.
        forwarded: Option<u64>,
        why: String,
    },
}

impl Outcome {
    pub(crate) fn unknown(why: &str) -> Self {
        Outcome::Uncounted {
            forwarded: None,
            why: why.to_owned(),
        }
    }

    /// Packets were lost for certain.
    pub fn has_losses(&self) -> bool {
        matches!(self, Outcome::Counted { arrivals, .. } if arrivals.lost > 0)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Counted { arrivals, .. } => write!(
                f,
                "{} packets lost, {} flows re-scheduled",
                arrivals.lost, arrivals.moved
            ),
            Outcome::Uncounted { why, .. } => write!(f, "lost packets were not counted ({why})"),
        }
    }
}

/// The outcome of the removal of a server that is gone, or `None` while its aftermath lasts.
pub(super) fn settle(record: &Record, facts: &Facts, now: Moment) -> Option<Outcome> {
    let removal = record.removal?;
    let lasts = now.since(removal.asked_at) < removal.aftermath();
    match &facts.flows {
        Evidence::Known(flows) => settle_seen(flows, facts, &removal, lasts),
        // The programs went with the daemon that attached them; their counts do not come back.
        Evidence::Unknown(_) if !facts.watched => Some(Outcome::unknown(
            "the watch did not last until the count was over",
        )),
        Evidence::Unknown(_) if lasts => None,
        Evidence::Unknown(why) => Some(Outcome::unknown(why)),
    }
}

fn settle_seen(flows: &Flows, facts: &Facts, removal: &Removal, lasts: bool) -> Option<Outcome> {
    let because = |cause: &Option<String>| {
        cause
            .as_ref()
            .map(|cause| format!(": {cause}"))
            .unwrap_or_default()
    };
    if flows.rung == Rung::Counters {
        let why = format!("flows cannot be counted{}", because(&facts.lacking.better_rung));
        return Some(Outcome::unknown(&why));
    }
    let uncounted = |why| Outcome::Uncounted {
        forwarded: Some(flows.forwarded),
        why,
    };
    let Some(arrivals) = flows.arrivals else {
        let cause = because(&facts.lacking.arrivals);
        return Some(uncounted(format!("arrivals are not witnessed{cause}")));
    };
    if flows.watched_since > removal.asked_at {
        return Some(uncounted("the watch began anew after the removal".to_owned()));
    }
    (!lasts).then_some(Outcome::Counted {
        forwarded: flows.forwarded,
        arrivals,
    })
}
