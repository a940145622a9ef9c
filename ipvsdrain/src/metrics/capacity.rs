//! What is left of the services that drains take servers from, against their floor.

use std::collections::BTreeMap;

use prometheus::proto::MetricFamily;

use super::Sight;
use super::family::{Family, count};
use super::labels::Labels;
use crate::drain::{Changes, Hold};
use crate::identity::VirtualService;

#[derive(Debug, Default)]
struct Left {
    in_service: u64,
    servers: u64,
    weight: u64,
    full: u64,
}

pub(super) fn families(sight: &Sight<'_>) -> Vec<MetricFamily> {
    let gauge = |name: &str, help: &str| Family::gauge(&format!("ipvsdrain_service_{name}"), help);
    let mut in_service = gauge("servers_in_service", "Real servers with a weight.");
    let mut servers = gauge("servers", "Real servers, those that a drain has removed included.");
    let mut ratio = gauge("capacity_ratio", "The share of the service's weight that takes new flows, 0 to 1.");
    let mut floor = gauge("floor_ratio", "The least share of the weight that drains may leave, 0 to 1.");
    let mut least = gauge("floor_servers", "The fewest servers with a weight that drains may leave.");
    let mut blocked = gauge("drains_blocked", "Drains that are held because the floor would be crossed.");
    for (service, left) in left(sight) {
        let labels = Labels::service(&service);
        in_service.add(&labels, count(left.in_service));
        servers.add(&labels, count(left.servers));
        let share = if left.full == 0 {
            1.0
        } else {
            count(left.weight) / count(left.full)
        };
        ratio.add(&labels, share);
        if let Ok(policy) = sight.rules.policy(&service, &Changes::default()) {
            floor.add(&labels, f64::from(policy.floor.weight_percent) / 100.0);
            least.add(&labels, f64::from(policy.floor.servers));
        }
        let at_floor = sight.drains.iter().filter(|record| {
            record.service == service && matches!(record.observed.held, Some(Hold::Floor(_)))
        });
        blocked.add(&labels, count(at_floor.count() as u64));
    }
    [in_service, servers, ratio, floor, least, blocked]
        .into_iter()
        .filter_map(Family::finish)
        .collect()
}

/// From the table and the drains: what is at weight 0 by a drain counts with the weight it had.
fn left(sight: &Sight<'_>) -> BTreeMap<VirtualService, Left> {
    let mut services: BTreeMap<VirtualService, Left> = BTreeMap::new();
    for listed in sight.listing.into_iter().flatten() {
        let left = services.entry(listed.service).or_default();
        for server in &listed.servers {
            let weight = u64::from(server.configuration.weight);
            let drain = sight.drains.iter().find(|record| {
                (record.service, record.server) == (listed.service, server.server)
                    && !record.state.is_final()
            });
            let full = drain.map_or(0, |record| u64::from(record.before.weight));
            left.in_service += u64::from(weight > 0);
            left.servers += 1;
            left.weight += weight;
            left.full += weight.max(full);
        }
    }
    for record in sight.drains {
        let is_gone = record.state == crate::drain::State::Removed;
        let Some(left) = services.get_mut(&record.service).filter(|_| is_gone) else {
            continue;
        };
        left.servers += 1;
        left.full += u64::from(record.before.weight);
    }
    services
}
