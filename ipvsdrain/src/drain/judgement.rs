//! What the evidence says about one real server at one moment.

use std::time::Duration;

use super::evidence::{LAG, Witness};
use super::facts::{Evidence, Facts, Flows, Rung, Server};
use super::hold::Hold;
use super::policy::Pinned;
use super::record::Record;
use crate::moment::Moment;

/// The verdict of both witnesses, or of the one there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The evidence does not allow what would come next: mostly because it is missing, stale or contradictory, and
    /// nothing may be concluded.
    Held(Hold),
    /// Flows are live, or must be taken to be.
    Live(String),
    /// Only UDP flows are live, and they had their time to end.
    Pinned { udp: u64 },
    /// No flow is live, and the silence has lasted this long of the time it must.
    Quiet { lasted: Duration, needed: Duration },
    /// No live flow for the whole window, by every witness there is.
    Drained { why: String },
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
        Evidence::Unknown(why) => return Judgement::Held(Hold::FlowsUnknown(why.clone())),
    };
    if let Evidence::Unknown(why) = &facts.counters {
        return Judgement::Held(Hold::CountersUnknown(why.clone()));
    }
    // Also where only counters are left: one that was caught standing still under traffic proves nothing alone.
    if witness.is_frozen(now) {
        return Judgement::Held(Hold::CountersFrozen);
    }
    let window = record.policy.silence().max(LAG);
    match flows.rung {
        Rung::Probes | Rung::Arrivals => by_both(record, server, flows, witness, window, now),
        Rung::Counters => by_counters(record, server, flows, witness, window, now),
    }
}

/// Flows are counted, and the kernel's counter must agree.
fn by_both(
    record: &Record,
    server: &Server,
    flows: &Flows,
    witness: &Witness,
    needed: Duration,
    now: Moment,
) -> Judgement {
    if witness.contradicted_at.is_some_and(|at| now.since(at) < needed) {
        return Judgement::Held(Hold::ObserverBlind);
    }
    // The kernel's table knows the connections that were silent since before the watch.
    let tcp_open = flows.tcp_open.max(u64::from(server.active));
    if tcp_open > 0 || flows.tcp_closing > 0 {
        return Judgement::Live(live_text(flows, tcp_open));
    }
    if flows.udp > 0 {
        if had_their_time(record, flows, needed, now) {
            return Judgement::Pinned { udp: flows.udp };
        }
        return Judgement::Live(live_text(flows, tcp_open));
    }
    let lasted = witness.agreed_silence(flows, now);
    if lasted >= needed {
        let secs = lasted.as_secs();
        Judgement::Drained {
            why: format!("no live flow and no packet for {secs} s, by both witnesses"),
        }
    } else {
        Judgement::Quiet { lasted, needed }
    }
}

/// Only the kernel's counters are left. They may be [`LAG`] late and nothing else sees the packets of that time, so
/// the silence must last that much longer; until then any flow must be taken to be live.
fn by_counters(
    record: &Record,
    server: &Server,
    flows: &Flows,
    witness: &Witness,
    window: Duration,
    now: Moment,
) -> Judgement {
    if server.active > 0 {
        let why = format!(
            "{} open TCP connections; other flows cannot be counted",
            server.active
        );
        return Judgement::Live(why);
    }
    let needed = window + LAG;
    let lasted = now.since(flows.watched_since).min(witness.still_for(now));
    if lasted >= needed {
        let secs = lasted.as_secs();
        return Judgement::Drained {
            why: format!("no open TCP connection and no packet for {secs} s, by the kernel's counters alone"),
        };
    }
    // Where flows are counted, these would be migrated now.
    if record.policy.pinned == Pinned::Migrate && had_their_time(record, flows, needed, now) {
        return Judgement::Held(Hold::MigrationNeedsFlows);
    }
    Judgement::Live(format!(
        "flows cannot be counted, and packets may still be forwarded: no packet for {} of {} s",
        lasted.as_secs(),
        needed.as_secs()
    ))
}

/// UDP flows that could end by themselves have done so: the server had no new ones, and was watched, for so long.
fn had_their_time(record: &Record, flows: &Flows, needed: Duration, now: Moment) -> bool {
    let quiesced = record.quiesced_at().map_or(Duration::ZERO, |at| now.since(at));
    now.since(flows.watched_since) >= needed && quiesced >= needed
}

fn live_text(flows: &Flows, tcp_open: u64) -> String {
    format!(
        "{} UDP, {tcp_open} open TCP and {} closing TCP flows are live",
        flows.udp, flows.tcp_closing
    )
}
