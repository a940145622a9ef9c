//! What the evidence says about one real server at one moment.

use std::time::Duration;

use super::evidence::{LAG, Witness};
use super::facts::{Evidence, Facts, Flows, Server};
use super::policy::Pinned;
use super::record::{Hold, Record};
use crate::moment::Moment;

/// The verdict of both witnesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Missing, stale or contradictory evidence: nothing may be concluded.
    Unknown(Hold),
    /// Flows are live.
    Live(String),
    /// Only UDP flows are live, they had their time to end, and the policy lets the kernel move them.
    Migratable { udp: u64 },
    /// No flow is live, and the silence has lasted this long of the time it must.
    Quiet { lasted: Duration, needed: Duration },
    /// No live flow for the whole window, on both witnesses.
    Drained { silence: Duration },
}

/// Judges a quiesced server. `witness` already holds the sample taken with these facts.
pub(super) fn judge(
    record: &Record,
    server: &Server,
    facts: &Facts,
    witness: &Witness,
    now: Moment,
) -> Judgement {
    let flows = match &facts.flows {
        Evidence::Known(flows) => flows,
        Evidence::Unknown(why) => return Judgement::Unknown(Hold::FlowsUnknown(why.clone())),
    };
    if let Evidence::Unknown(why) = &facts.counters {
        return Judgement::Unknown(Hold::CountersUnknown(why.clone()));
    }
    if witness.is_frozen(now) {
        return Judgement::Unknown(Hold::CountersFrozen);
    }
    let needed = record.policy.silence().max(LAG);
    if witness.contradicted_at.is_some_and(|at| now.since(at) < needed) {
        return Judgement::Unknown(Hold::ObserverBlind);
    }
    // The kernel's table knows the connections that were silent since before the watch.
    let tcp_open = flows.tcp_open.max(u64::from(server.active));
    let watched = now.since(flows.watched_since);
    if tcp_open > 0 || flows.tcp_closing > 0 {
        return Judgement::Live(live_text(flows, tcp_open));
    }
    if flows.udp > 0 {
        let had_their_time = watched >= needed && time_quiesced(record, now) >= needed;
        if record.policy.pinned == Pinned::Migrate && had_their_time {
            return Judgement::Migratable { udp: flows.udp };
        }
        return Judgement::Live(live_text(flows, tcp_open));
    }
    let lasted = watched.min(witness.still_for(now));
    if lasted >= needed {
        Judgement::Drained { silence: lasted }
    } else {
        Judgement::Quiet { lasted, needed }
    }
}

/// How long the server has been known to be at weight 0.
fn time_quiesced(record: &Record, now: Moment) -> Duration {
    record.quiesced_at().map_or(Duration::ZERO, |at| now.since(at))
}

fn live_text(flows: &Flows, tcp_open: u64) -> String {
    format!(
        "{} UDP, {tcp_open} open TCP and {} closing TCP flows are live",
        flows.udp, flows.tcp_closing
    )
}
