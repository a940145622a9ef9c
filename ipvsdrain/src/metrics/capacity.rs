//! What is left of each service in the table, against its floor.
//!
//! Counts as the floor does, but for servers that are about to leave: they are in service until the table says otherwise.

use std::collections::BTreeMap;

use prometheus::proto::MetricFamily;

use super::family::{Family, count};
use super::labels::Labels;
use super::{ByServer, Sight};
use crate::drain::{Changes, Floor, Hold, Policy, Record, Rules};
use crate::identity::VirtualService;

/// Of one service.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Servers with a weight.
    pub(crate) weighted: u64,
    /// All of them, with those that are missed.
    pub(crate) servers: u64,
    pub(crate) weight: u64,
    pub(crate) full: u64,
    /// Drains that are held because of the floor.
    pub(crate) blocked: u64,
}

/// What is left of each service in the table, and what drains must leave, where the rules can be put together.
pub(crate) fn capacities(sight: &Sight<'_>) -> BTreeMap<VirtualService, (Left, Option<Floor>)> {
    let base = sight.rules.base().ok();
    let floored = |(service, left)| {
        let policy = policy(sight.rules, base, &service);
        (service, (left, policy.map(|policy| policy.floor)))
    };
    left(sight, &sight.by_server()).into_iter().map(floored).collect()
}

pub(super) fn families(sight: &Sight<'_>, by_server: &ByServer<'_>) -> Vec<MetricFamily> {
    let gauge = |name: &str, help: &str| Family::gauge(&format!("ipvsdrain_service_{name}"), help);
    let mut weighted = gauge(
        "weighted_servers",
        "Real servers in the table with a weight above 0: they take new flows.",
    );
    let mut servers = gauge(
        "servers",
        "Real servers, with those that were removed by a drain within a day and not put back.",
    );
    let mut ratio = gauge(
        "capacity_ratio",
        "Share of the weight of all its servers that takes new flows, 0 to 1.",
    );
    let mut floor = gauge(
        "floor_ratio",
        "The least share of the weight that drains may leave, 0 to 1.",
    );
    let mut least = gauge(
        "floor_servers",
        "The fewest servers with a weight that drains may leave.",
    );
    let mut blocked = gauge(
        "blocked_drains",
        "Drains that are held because they would cross the capacity floor.",
    );
    let base = sight.rules.base().ok();
    for (service, left) in left(sight, by_server) {
        let labels = Labels::service(&service);
        weighted.add(&labels, count(left.weighted));
        if let Some(policy) = policy(sight.rules, base, &service) {
            floor.add(&labels, f64::from(policy.floor.weight_percent) / 100.0);
            least.add(&labels, f64::from(policy.floor.servers));
        }
        // Before the drains are known, nobody knows what the service has when it is whole.
        if sight.journal.drains_known {
            servers.add(&labels, count(left.servers));
            ratio.add(&labels, share(left.weight, left.full));
            blocked.add(&labels, count(left.blocked));
        }
    }
    [weighted, servers, ratio, floor, least, blocked]
        .into_iter()
        .filter_map(Family::finish)
        .collect()
}

/// All of it where nothing has a weight, as the floor has it.
fn share(weight: u64, full: u64) -> f64 {
    if full == 0 {
        1.0
    } else {
        count(weight) / count(full)
    }
}

/// The rules are put together only for services that some rule names.
fn policy(rules: &Rules, base: Option<Policy>, service: &VirtualService) -> Option<Policy> {
    if rules.service.iter().any(|rule| rule.matches.takes(service)) {
        rules.policy(service, &Changes::default()).ok()
    } else {
        base
    }
}

fn left(sight: &Sight<'_>, by_server: &ByServer<'_>) -> BTreeMap<VirtualService, Left> {
    let mut services: BTreeMap<VirtualService, Left> = BTreeMap::new();
    // Of what is in the table, so that a removed server that another hand has put back does not count twice.
    let mut missed: ByServer<'_> = missed(sight, by_server);
    for listed in sight.listing.into_iter().flatten() {
        let left = services.entry(listed.service).or_default();
        for server in &listed.servers {
            let key = (listed.service, server.server);
            missed.remove(&key);
            let drain = by_server.get(&key).filter(|record| !record.state.is_final());
            let before = drain.map_or(0, |record| u64::from(record.before.weight));
            let weight = u64::from(server.configuration.weight);
            left.weighted += u64::from(weight > 0);
            left.servers += 1;
            left.weight += weight;
            left.full += weight.max(before);
        }
    }
    for record in missed.values() {
        if let Some(left) = services.get_mut(&record.service) {
            left.servers = left.servers.max(u64::from(record.capacity.servers_total));
            left.full = left.full.max(record.capacity.weight_total);
        }
    }
    let at_floor = |record: &&Record| matches!(record.observed.held, Some(Hold::Floor(_)));
    for record in sight.drains.iter().filter(at_floor) {
        if let Some(left) = services.get_mut(&record.service).filter(|_| !record.is_over()) {
            left.blocked += 1;
        }
    }
    services
}

fn missed<'a>(sight: &Sight<'_>, by_server: &ByServer<'a>) -> ByServer<'a> {
    let is_missed = |record: &Record| record.is_missed(sight.now) && !record.shadow;
    let missed = by_server.iter().filter(|(_, record)| is_missed(record));
    missed.map(|(key, record)| (*key, *record)).collect()
}
