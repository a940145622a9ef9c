//! Another hand changes the server in mid-drain, with `ipvsadm`: the drain yields to it, sets weight 0 again, or raises the
//! alarm, as configured.

use std::time::Duration;

use anyhow::Result;

use super::judged::End;
use super::row::Row;
use super::setting::{Case, Setting};
use super::traffic::{BEFORE, LAST};
use crate::clock;
use crate::daemon::PendingDrain;
use crate::traffic::Replies;

/// The other hand comes this long after the drain's beginning, while flows are live.
const MID_DRAIN: Duration = Duration::from_secs(3);
/// Longer than a quiet window: whatever the daemon still did would show.
const AFTERWARDS: Duration = Duration::from_secs(15);
const YIELDED: End = End::REMOVED.exit("5").state("yielded");

pub(super) fn rows() -> Vec<Row> {
    // What the other hand leaves behind must not cost packets: the daemon's own part is to be seen.
    let flushing = || Setting::udp().with_sysctl("net.ipv4.vs.expire_nodest_conn", "1");
    vec![
        Row::new("hand-raises-yield", Setting::udp(), raises),
        Row::new("hand-removes-yield", flushing(), removes),
        Row::new("hand-re-adds-yield", flushing(), re_adds),
        Row::new("hand-flushes-yield", Setting::udp(), flushes),
        Row::new(
            "hand-raises-reassert",
            Setting::udp().with_config("other_hands = \"reassert\"\n[floor]\nweight_percent = 25\n"),
            raises_against_reassert,
        ),
        // It was raised to more than half of the weight: perhaps because it is needed.
        Row::new(
            "hand-raises-reassert-needed",
            Setting::udp().with_config("other_hands = \"reassert\"\n"),
            raises_what_is_needed,
        ),
        Row::new(
            "hand-raises-alarm",
            Setting::udp().with_config("other_hands = \"alarm\"\n"),
            raises_against_alarm,
        ),
    ]
}

fn raises(case: &mut Case<'_>) -> Result<()> {
    let drain = begin(case)?;
    case.world.director().set_weight(case.place, 3)?;
    clock::pass(AFTERWARDS);
    case.facts
        .add("weights", "1 0 3", case.witness.weights(case.place));
    case.judge_now(drain, YIELDED.weight(Some(3)))
}

fn removes(case: &mut Case<'_>) -> Result<()> {
    let drain = begin(case)?;
    case.world.director().delete(case.place)?;
    clock::pass(AFTERWARDS);
    case.facts
        .add("weights", "1 0 -", case.witness.weights(case.place));
    case.judge_now(drain, YIELDED)
}

fn re_adds(case: &mut Case<'_>) -> Result<()> {
    let drain = begin(case)?;
    let (service, server) = (case.place.service, case.place.server);
    let service = service.to_string().replace("udp:", "-u ");
    case.world.director().restore(&format!(
        "-d {service} -r {server}\n-a {service} -r {server} -g -w 1\n"
    ))?;
    clock::pass(AFTERWARDS);
    case.facts
        .add("last weight", "1", last(&case.witness.weights(case.place)));
    case.judge_now(drain, YIELDED.weight(Some(1)))
}

/// After the last packet: what a flushed table does to traffic is not the daemon's.
fn flushes(case: &mut Case<'_>) -> Result<()> {
    case.send_udp_ending(BEFORE + Duration::from_secs(1))?;
    let drain = case.drain(&[])?;
    clock::pass(MID_DRAIN);
    case.world.director().machine().run("ipvsadm", &["-C"], "")?;
    clock::pass(AFTERWARDS);
    case.facts
        .add("weights", "1 0 -", case.witness.weights(case.place));
    case.judge_now(drain, YIELDED)
}

fn raises_against_reassert(case: &mut Case<'_>) -> Result<()> {
    let drain = begin(case)?;
    case.world.director().set_weight(case.place, 3)?;
    let ended = drain.ended(super::setting::LIMIT)?;
    // A look may miss the other hand's weight where the daemon is quick.
    let weights = case.witness.weights(case.place).replace(" 3 0", "");
    case.facts.add("weights", "1 0 -", weights);
    case.judge(Some(&ended.exit()), End::REMOVED)
}

fn raises_what_is_needed(case: &mut Case<'_>) -> Result<()> {
    raised_and_held(case, "floor")
}

fn raises_against_alarm(case: &mut Case<'_>) -> Result<()> {
    raised_and_held(case, "weight")
}

/// The other hand's weight stays, and the drain is held for a cause that has this word.
fn raised_and_held(case: &mut Case<'_>, word: &'static str) -> Result<()> {
    let drain = begin(case)?;
    case.world.director().set_weight(case.place, 3)?;
    clock::pass(AFTERWARDS);
    case.facts
        .add("weights", "1 0 3", case.witness.weights(case.place));
    let held = case.daemon.drain(case.place).ok().and_then(|view| view.held);
    case.facts.says("held", word, held.as_deref());
    case.judge_now(drain, End::DRAINING.any_state().weight(Some(3)))
}

/// A drain with live flows.
fn begin(case: &mut Case<'_>) -> Result<PendingDrain> {
    case.send_udp(LAST + Duration::from_secs(4), Replies::Echo)?;
    let drain = case.drain(&[])?;
    clock::pass(MID_DRAIN);
    Ok(drain)
}

fn last(weights: &str) -> &str {
    weights.rsplit(' ').next().unwrap_or_default()
}
