//! What Prometheus scrapes: the table, the drains, health, evidence, capacity, the daemon itself.
//!
//! Turns facts that others own into samples, at the moment of the scrape; the numbers that outlive a scrape are in
//! [`Lifetime`]. Decides nothing, asks the kernel nothing, and never names a client. What it costs does not depend on how
//! many flows there are. `docs/metrics.md` lists all of it.

mod capacity;
mod counts;
mod courses;
mod daemon;
mod drains;
#[cfg(test)]
mod everything;
mod evidence;
mod family;
#[cfg(test)]
mod fixture;
mod health;
mod labels;
mod lifetime;
#[cfg(test)]
mod lifetime_tests;
mod observer;
#[cfg(test)]
mod page_tests;
mod process;
mod servers;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;

use prometheus::proto::MetricFamily;

pub(crate) use self::capacity::{Left, capacities};
pub use self::lifetime::{Lifetime, LifetimeError};
pub use self::process::of_the_process;
pub use self::text::{Format, write};
use crate::config::Reloads;
use crate::drain::{Record, Rules};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;
use crate::supervise::{JournalCondition, Listing, ServerHealth, Tally, Usage};

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
    /// `None` where nothing can be observed.
    pub usage: Option<&'a Usage>,
    pub tally: &'a Tally,
    pub reloads: Reloads,
}

/// The drains of a sight by their servers, so that none is looked for one by one.
type ByServer<'a> = HashMap<(VirtualService, RealServer), &'a Record>;

impl<'a> Sight<'a> {
    fn by_server(&self) -> ByServer<'a> {
        let drains = self.drains.iter();
        drains
            .map(|record| ((record.service, record.server), record))
            .collect()
    }
}

/// Everything that is known at this moment, by name.
pub fn families(sight: &Sight<'_>, lifetime: &Lifetime) -> Vec<MetricFamily> {
    let by_server = sight.by_server();
    let mut families = Vec::new();
    families.extend(servers::families(sight));
    families.extend(drains::families(sight, lifetime.courses()));
    families.extend(capacity::families(sight, &by_server));
    families.extend(evidence::families(sight));
    families.extend(health::families(sight, &by_server));
    families.extend(daemon::families(sight, &by_server));
    families.extend(observer::families(sight));
    families.extend(counts::families(sight));
    families.extend(lifetime.families());
    families.sort_by(|one, other| one.name().cmp(other.name()));
    families
}
