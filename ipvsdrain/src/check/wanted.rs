//! Which real servers are tried by which checks. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::job::Job;
use crate::drain::{Reason, Record, State};
use crate::forwarding::{Configuration, Forwarding};
use crate::identity::{RealServer, VirtualService};
use crate::supervise::Listing;

/// One check of one real server. Ordered so that the servers of a service stand together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) source: Arc<str>,
    pub(super) service: VirtualService,
    pub(super) server: RealServer,
    /// Forwarded to by direct route.
    pub(super) direct: bool,
}

pub(super) type Wanted = BTreeMap<Key, Arc<Job>>;

/// Every server in the table, whatever its weight, and those that were removed because they failed: their return is to be
/// noticed.
fn servers(listing: &Listing, drains: &[Record]) -> BTreeSet<(VirtualService, RealServer, bool)> {
    let listed = listing.iter().flat_map(|service| {
        let servers = service.servers.iter();
        servers.map(|listed| (service.service, listed.server, is_direct(&listed.configuration)))
    });
    let failed = drains
        .iter()
        .filter(|record| record.reason == Reason::Failure && record.state == State::Removed)
        .map(|record| (record.service, record.server, is_direct(&record.before)));
    listed.chain(failed).collect()
}

fn is_direct(configuration: &Configuration) -> bool {
    configuration.forwarding == Forwarding::DirectRoute
}

pub(super) fn wanted(jobs: &[Arc<Job>], listing: &Listing, drains: &[Record]) -> Wanted {
    let mut wanted = Wanted::new();
    for (service, server, direct) in servers(listing, drains) {
        for job in jobs.iter().filter(|job| job.check.matches.takes(&service)) {
            let key = Key {
                source: job.source.clone(),
                service,
                server,
                direct,
            };
            wanted.insert(key, job.clone());
        }
    }
    wanted
}
