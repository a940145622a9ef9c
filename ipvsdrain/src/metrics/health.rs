//! The health of the servers that somebody speaks of, and what is done about it.

use prometheus::proto::MetricFamily;

use super::family::{Family, flag};
use super::labels::Labels;
use super::{ByServer, Sight};
use crate::drain::Stance;
use crate::health::{Says, Verdict};

/// Names of sources come from outside. More of them than this for one server are not shown: the first ones by name are.
pub(super) const MOST_SOURCES: usize = 16;

pub(super) fn families(sight: &Sight<'_>, by_server: &ByServer<'_>) -> Vec<MetricFamily> {
    let mut up = Family::gauge(
        "ipvsdrain_health_up",
        "Whether the server is found well: 1, or 0 if it fails. Absent while that is not known.",
    );
    let mut source = Family::gauge(
        "ipvsdrain_health_source_up",
        "Whether this source finds the server well: 1 or 0. Absent while it has no word.",
    );
    let mut stance = Family::gauge(
        "ipvsdrain_health_stance",
        "What is done about the health of the server: always 1, with the stance as a label.",
    );
    let mut level = Family::gauge(
        "ipvsdrain_health_flap_level",
        "How often the server failed lately: each failure after the first doubles its hold-down.",
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
        let words = server.words.iter().filter(|word| word.says != Says::Unknown);
        for word in words.take(MOST_SOURCES) {
            let labels = labels.clone().with("source", &word.source);
            source.add(&labels, flag(word.says == Says::Up));
        }
        stance.add(&labels.clone().with("stance", word(&server.stance)), 1.0);
        let drain = by_server.get(&(server.service, server.server));
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

/// As a label, in a word that never changes: what people read may.
const fn word(stance: &Stance) -> &'static str {
    match stance {
        Stance::Well => "well",
        Stance::Unknown(_) => "unknown",
        Stance::Awaited => "awaited",
        Stance::AllFail => "all_fail",
        Stance::Failing => "failing",
        Stance::Needed(_) => "needed",
        Stance::Reported => "reported",
        Stance::LeftAlone => "left_alone",
        Stance::Foreign => "foreign",
        Stance::Quiesced => "quiesced",
        Stance::Maintenance => "maintenance",
        Stance::Removed => "removed",
        Stance::HeldDown(_) => "held_down",
        Stance::Returning(_) => "returning",
    }
}
