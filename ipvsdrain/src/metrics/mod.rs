//! What Prometheus scrapes: the table, the drains, health, evidence, capacity, the daemon itself.
//!
//! Turns facts that others own into samples, at the moment of the scrape; the numbers that outlive a scrape are in
//! [`Lifetime`]. Decides nothing, asks the kernel nothing, and never names a client. What it costs does not depend on how
//! many flows there are.

mod capacity;
mod daemon;
mod drains;
mod evidence;
mod family;
mod health;
mod labels;
mod lifetime;
mod servers;
mod text;

use prometheus::proto::MetricFamily;

pub use self::lifetime::Lifetime;
pub use self::text::{Format, write};
use crate::drain::{Record, Rules};
use crate::moment::Moment;
use crate::supervise::{JournalCondition, Listing, ServerHealth};

/// All that one scrape shows.
#[derive(Debug)]
pub struct Sight<'a> {
    pub now: Moment,
    /// The table, or `None` if it cannot be read.
    pub listing: Option<&'a Listing>,
    /// The newest drain of each server.
    pub drains: &'a [Record],
    pub health: &'a [ServerHealth],
    /// Names of the attached programs.
    pub attached: &'a [String],
    pub journal: &'a JournalCondition,
    pub rules: &'a Rules,
}

/// Everything that is known at this moment.
pub fn families(sight: &Sight<'_>, lifetime: &Lifetime) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    families.extend(servers::families(sight));
    families.extend(drains::families(sight));
    families.extend(capacity::families(sight));
    families.extend(evidence::families(sight));
    families.extend(health::families(sight));
    families.extend(daemon::families(sight));
    families.extend(lifetime.families());
    families.sort_by(|one, other| one.name().cmp(other.name()));
    families
}
