//! By what the flows of drained servers are known, and how fresh that is.

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
        "How the flows of the server are known: 1 for the rung of the ladder in use.",
    );
    let mut age = Family::gauge(
        "ipvsdrain_evidence_age_seconds",
        "Since the evidence about the server was gathered.",
    );
    let mut unknown = Family::gauge(
        "ipvsdrain_evidence_unknown",
        "1 while the evidence is missing, stale or contradictory, by cause: nothing is removed then.",
    );
    for record in sight.drains.iter().filter(|record| !record.is_over()) {
        let labels = Labels::server(&record.service, &record.server);
        if let Some(flows) = record.observed.flows {
            for (each, word) in RUNGS {
                rung.add(&labels.clone().with("rung", word), flag(flows.rung == each));
            }
        }
        age.add_known(
            &labels,
            record.observed.at.map(|at| sight.now.since(at).as_secs_f64()),
        );
        if let Some(hold) = record.observed.held.as_ref().filter(|hold| hold.is_unknown_evidence()) {
            unknown.add(&labels.clone().with("cause", Hold::word(hold)), 1.0);
        }
    }
    [rung, age, unknown].into_iter().filter_map(Family::finish).collect()
}
