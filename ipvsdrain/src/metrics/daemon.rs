//! The daemon itself: what it is, what it has attached, whether its journal works, how many drains there are.

use prometheus::proto::MetricFamily;

use super::family::{Family, count, flag};
use super::labels::Labels;
use super::{ByServer, Sight};
use crate::drain::Record;

pub(super) fn families(sight: &Sight<'_>, by_server: &ByServer<'_>) -> Vec<MetricFamily> {
    let one = |name: &str, help: &str, value: Option<f64>| {
        let mut family = Family::gauge(&format!("ipvsdrain_{name}"), help);
        family.add_known(&Labels::none(), value);
        family.finish()
    };
    let mut build = Family::gauge(
        "ipvsdrain_build_info",
        "Always 1, with the version of the daemon as a label.",
    );
    build.add(&Labels::none().with("version", env!("CARGO_PKG_VERSION")), 1.0);
    let known = sight.journal.drains_known;
    [
        build.finish(),
        one(
            "table_readable",
            "Whether the kernel's IPVS table could be read for this scrape: 1 or 0.",
            Some(flag(sight.listing.is_some())),
        ),
        one(
            "observer_programs",
            "The eBPF programs that are attached: 0 while nothing is watched.",
            Some(count(sight.attached.len() as u64)),
        ),
        one(
            "journal_up",
            "Whether the journal works: 1 or 0. Without it nothing is begun, changed or removed.",
            Some(flag(sight.journal.fault.is_none())),
        ),
        one(
            "drains_in_progress",
            "Drains that are not over. Absent before the journal was read.",
            known.then(|| number(sight, |record| !record.is_over())),
        ),
        one(
            "drains_held",
            "Drains that are not over and do not go on, whatever the cause. Absent before the journal was read.",
            known.then(|| {
                number(sight, |record| {
                    !record.is_over() && record.observed.held.is_some()
                })
            }),
        ),
        one(
            "foreign_servers",
            "Real servers at weight 0 by another hand, for no drain of them is under way. Absent before table and \
             journal were read.",
            foreigners(sight, by_server).filter(|_| known),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn number(sight: &Sight<'_>, is_meant: impl Fn(&&Record) -> bool) -> f64 {
    count(sight.drains.iter().filter(is_meant).count() as u64)
}

fn foreigners(sight: &Sight<'_>, by_server: &ByServer<'_>) -> Option<f64> {
    let is_ours = |key| {
        let drain = by_server.get(&key);
        drain.is_some_and(|record| !record.state.is_final())
    };
    let of = sight.listing?.iter().flat_map(|listed| {
        let idle = listed
            .servers
            .iter()
            .filter(|server| server.configuration.weight == 0);
        idle.map(|server| (listed.service, server.server))
    });
    Some(count(of.filter(|key| !is_ours(*key)).count() as u64))
}
