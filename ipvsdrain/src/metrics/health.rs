//! The health of the servers that somebody speaks of, and what is done about it.

use prometheus::proto::MetricFamily;

use super::Sight;
use super::family::{Family, flag};
use super::labels::Labels;
use crate::health::{Says, Verdict};

pub(super) fn families(sight: &Sight<'_>) -> Vec<MetricFamily> {
    let mut up = Family::gauge(
        "ipvsdrain_health_up",
        "1 if the server is found well, 0 if it fails; absent while that is not known.",
    );
    let mut source = Family::gauge(
        "ipvsdrain_health_source_up",
        "The same, by each source that has a word.",
    );
    let mut stance = Family::gauge(
        "ipvsdrain_health_stance",
        "What is done about the health of the server: 1, with the stance as a label.",
    );
    let mut level = Family::gauge(
        "ipvsdrain_health_flap_level",
        "How often the server failed lately: each doubles its hold-down.",
    );
    let mut hold = Family::gauge(
        "ipvsdrain_health_hold_down_seconds",
        "For how long the server must be well before it is put back.",
    );
    for server in sight.health {
        let labels = Labels::server(&server.service, &server.server);
        match server.health.verdict {
            Verdict::Up => up.add(&labels, 1.0),
            Verdict::Down { .. } => up.add(&labels, 0.0),
            Verdict::Unknown(_) => {}
        }
        for word in server.words.iter().filter(|word| word.says != Says::Unknown) {
            let labels = labels.clone().with("source", &word.source);
            source.add(&labels, flag(word.says == Says::Up));
        }
        stance.add(&labels.clone().with("stance", server.stance.word()), 1.0);
        let drain = sight
            .drains
            .iter()
            .find(|record| (record.service, record.server) == (server.service, server.server));
        if let Some((record, failure)) = drain.and_then(|record| Some((record, record.failure.as_ref()?))) {
            let now = failure.level_at(sight.now, &record.policy.failure);
            level.add(&labels, f64::from(now));
            hold.add(&labels, record.policy.failure.hold_down(now).as_secs_f64());
        }
    }
    [up, source, stance, level, hold]
        .into_iter()
        .filter_map(Family::finish)
        .collect()
}
