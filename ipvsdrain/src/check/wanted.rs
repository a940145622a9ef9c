//! Which real servers are tried by which checks. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::job::Job;
use crate::drain::{Reason, Record, State};
use crate::identity::{RealServer, VirtualService};
use crate::supervise::Listing;

/// One check of one real server. Ordered so that the servers of a service stand together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) source: Arc<str>,
    pub(super) service: VirtualService,
    pub(super) server: RealServer,
}

pub(super) type Wanted = BTreeMap<Key, Arc<Job>>;

/// Every server in the table, whatever its weight, and those that were removed because they failed: their return is to be
/// noticed.
fn servers(listing: &Listing, drains: &[Record]) -> BTreeSet<(VirtualService, RealServer)> {
    let listed = listing.iter().flat_map(|service| {
        let servers = service.servers.iter();
        servers.map(|listed| (service.service, listed.server))
    });
    let failed = drains
        .iter()
        .filter(|record| record.reason == Reason::Failure && record.state == State::Removed)
        .map(|record| (record.service, record.server));
    listed.chain(failed).collect()
}

pub(super) fn wanted(jobs: &[Arc<Job>], listing: &Listing, drains: &[Record]) -> Wanted {
    let mut wanted = Wanted::new();
    for (service, server) in servers(listing, drains) {
        for job in jobs.iter().filter(|job| job.check.matches.takes(&service)) {
            let key = Key {
                source: job.source.clone(),
                service,
                server,
            };
            wanted.insert(key, job.clone());
        }
    }
    wanted
}
