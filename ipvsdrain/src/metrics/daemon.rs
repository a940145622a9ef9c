//! The daemon itself: what it has attached, whether its journal works, what it is.

use prometheus::proto::MetricFamily;

use super::Sight;
use super::family::{Family, count, flag};
use super::labels::Labels;
use crate::drain::Record;

pub(super) fn families(sight: &Sight<'_>) -> Vec<MetricFamily> {
    let mut build = Family::gauge("ipvsdrain_build_info", "1, with the version as a label.");
    build.add(&Labels::none().with("version", env!("CARGO_PKG_VERSION")), 1.0);
    let mut table = Family::gauge("ipvsdrain_table_readable", "1 if the kernel's IPVS table could be read for this scrape.");
    table.add(&Labels::none(), flag(sight.listing.is_some()));
    let mut attached = Family::gauge("ipvsdrain_observer_programs", "eBPF programs that are attached; 0 while nothing is watched.");
    attached.add(&Labels::none(), count(sight.attached.len() as u64));
    let mut journal = Family::gauge("ipvsdrain_journal_up", "1 while the journal works; without it nothing is begun or changed.");
    journal.add(&Labels::none(), flag(sight.journal.fault.is_none()));
    let mut progress = Family::gauge("ipvsdrain_drains_in_progress", "Drains that are not over.");
    progress.add(&Labels::none(), number(sight, |record| !record.is_over()));
    let mut held = Family::gauge("ipvsdrain_drains_held", "Drains that do not go on, whatever the cause.");
    held.add(
        &Labels::none(),
        number(sight, |record| !record.is_over() && record.observed.held.is_some()),
    );
    let mut foreign = Family::gauge(
        "ipvsdrain_foreign_servers",
        "Servers at weight 0 by another hand: no drain is known of them.",
    );
    foreign.add(&Labels::none(), foreigners(sight));
    [build, table, attached, journal, progress, held, foreign]
        .into_iter()
        .filter_map(Family::finish)
        .collect()
}

fn number(sight: &Sight<'_>, is_meant: impl Fn(&&Record) -> bool) -> f64 {
    count(sight.drains.iter().filter(is_meant).count() as u64)
}

fn foreigners(sight: &Sight<'_>) -> f64 {
    let mut number = 0;
    for listed in sight.listing.into_iter().flatten() {
        for server in listed.servers.iter().filter(|server| server.configuration.weight == 0) {
            let of = |record: &Record| {
                (record.service, record.server) == (listed.service, server.server) && !record.state.is_final()
            };
            number += u64::from(!sight.drains.iter().any(of));
        }
    }
    count(number)
}
