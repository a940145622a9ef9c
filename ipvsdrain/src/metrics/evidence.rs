//! By what the flows of servers that are being drained are known, and how fresh that is.

use prometheus::proto::MetricFamily;

use super::Sight;
use super::family::{Family, flag};
use super::labels::Labels;
use crate::drain::{Hold, Rung};

const RUNGS: [(Rung, &str); 3] = [
    (Rung::Probes, "probes"),
    (Rung::Arrivals, "arrivals"),
    (Rung::Counters, "counters"),
];

pub(super) fn families(sight: &Sight<'_>) -> Vec<MetricFamily> {
    let mut rung = Family::gauge(
        "ipvsdrain_evidence_rung",
        "How the flows of the server are known: 1 for the rung of the ladder in use, 0 for the others.",
    );
    let mut age = Family::gauge(
        "ipvsdrain_evidence_age_seconds",
        "Time since the evidence about the server was gathered.",
    );
    let mut unknown = Family::gauge(
        "ipvsdrain_evidence_unknown",
        "Whether the evidence is missing, stale or contradictory, so that nothing is removed: 1 or 0.",
    );
    for record in sight.drains.iter().filter(|record| !record.is_over()) {
        let labels = Labels::server(&record.service, &record.server);
        if let Some(flows) = record.observed.flows {
            for (each, word) in RUNGS {
                rung.add(&labels.clone().with("rung", word), flag(flows.rung == each));
            }
        }
        let at = record.observed.at;
        age.add_known(&labels, at.map(|at| sight.now.since(at).as_secs_f64()));
        let is_unknown = record.observed.held.as_ref().map(Hold::is_unknown_evidence);
        // One that was never looked at, as without a journal, is not known to be known.
        let is_known = is_unknown == Some(true) || at.is_some();
        unknown.add_known(&labels, is_known.then(|| flag(is_unknown == Some(true))));
    }
    [rung, age, unknown]
        .into_iter()
        .filter_map(Family::finish)
        .collect()
}
