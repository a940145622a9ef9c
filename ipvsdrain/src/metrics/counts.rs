//! What others have counted since the daemon began: refusals, the journal's commits, reloads of the configuration.

use prometheus::proto::MetricFamily;

use super::Sight;
use super::family::{Family, count, flag};
use super::labels::Labels;

pub(super) fn families(sight: &Sight<'_>) -> Vec<MetricFamily> {
    let effort = &sight.tally.journal;
    let writes = Family::histogram(
        "ipvsdrain_journal_write_seconds",
        "Time that a commit of the journal took, until it was on disk.",
        effort.up_to(),
        effort.number,
        effort.seconds,
    );
    let mut errors = Family::counter(
        "ipvsdrain_journal_errors_total",
        "Operations on the journal that failed, tries to open it among them.",
    );
    errors.add(&Labels::none(), count(effort.errors));
    let mut refused = Family::counter(
        "ipvsdrain_drains_refused_total",
        "Drains that were asked for and refused since the daemon began, by cause.",
    );
    for (cause, number) in &sight.tally.refused {
        refused.add(&Labels::none().with("cause", *cause), count(*number));
    }
    let counts = [errors, refused].into_iter().filter_map(Family::finish);
    counts.chain([writes]).chain(reloads(sight)).collect()
}

fn reloads(sight: &Sight<'_>) -> impl Iterator<Item = MetricFamily> {
    let mut reloads = Family::counter(
        "ipvsdrain_config_reloads_total",
        "Times the configuration was read again since the daemon began, by result: taken or refused.",
    );
    for (result, number) in [("taken", sight.reloads.taken), ("refused", sight.reloads.refused)] {
        reloads.add(&Labels::none().with("result", result), count(number));
    }
    let mut successful = Family::gauge(
        "ipvsdrain_config_last_reload_successful",
        "Whether the configuration was taken when it was last read: 1 or 0.",
    );
    successful.add(&Labels::none(), flag(sight.reloads.successful));
    let mut at = Family::gauge(
        "ipvsdrain_config_last_reload_success_timestamp_seconds",
        "When the configuration in effect was read, in seconds since 1970.",
    );
    at.add(&Labels::none(), count(sight.reloads.taken_unix));
    [reloads, successful, at].into_iter().filter_map(Family::finish)
}
