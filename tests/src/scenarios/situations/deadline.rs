//! A drain that does not end by itself, and what its hard deadline does: hold, remove or restore.

use std::time::Duration;

use anyhow::Result;

use super::judged::End;
use super::row::Row;
use super::setting::{Case, LIMIT, Setting};
use crate::clock;
use crate::daemon::PendingDrain;
use crate::traffic::Replies;

const DEADLINE: Duration = Duration::from_secs(20);

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("deadline-hold", Setting::udp(), hold),
        Row::new("deadline-remove", Setting::udp(), remove),
        Row::new("deadline-restore", Setting::udp(), restore),
        Row::new("restored-with-its-entries", Setting::udp(), resume),
    ]
}

/// Nothing more is done: the server stays at weight 0.
fn hold(case: &mut Case<'_>) -> Result<()> {
    let drain = begin(case, "hold")?;
    let ended = drain.ended(LIMIT)?;
    clock::pass(Duration::from_secs(15));
    let overdue = case.daemon.drain_as_json(case.place)?["overdue"].clone();
    case.facts.add("overdue", true, overdue);
    case.judge(Some(&ended.exit()), End::DRAINING.any_state().exit("3"))
}

/// The kernel schedules the flows anew.
fn remove(case: &mut Case<'_>) -> Result<()> {
    let drain = begin(case, "remove")?;
    let ended = drain.ended(LIMIT)?;
    let gone = case.witness.gone(case.place).map(|(_, gone)| gone);
    let since = case.witness.quiesced_at(case.place);
    let lasted = gone.zip(since).map(|(gone, since)| gone.since(since));
    let seen = match lasted {
        Some(lasted) if lasted + Duration::from_secs(1) < DEADLINE => format!("{lasted:?}: too early"),
        Some(lasted) if lasted > DEADLINE + Duration::from_secs(2) => format!("{lasted:?}: too late"),
        Some(_) => "at the deadline".to_owned(),
        None => "never".to_owned(),
    };
    case.facts.add("removed", "at the deadline", seen);
    case.judge(Some(&ended.exit()), End::REMOVED)
}

fn restore(case: &mut Case<'_>) -> Result<()> {
    let drain = begin(case, "restore")?;
    let ended = drain.ended(LIMIT)?;
    clock::pass(Duration::from_secs(3));
    case.facts
        .add("weights", "1 0 1", case.witness.weights(case.place));
    let end = End::REMOVED.exit("3").state("restored").weight(Some(1));
    case.judge(Some(&ended.exit()), end)
}

/// Without the sysctl the kernel keeps the entries of a removed server, and finds them again when it comes back.
fn resume(case: &mut Case<'_>) -> Result<()> {
    case.send_pinned_udp(Replies::Echo)?;
    let drain = case.drain(&[
        "--deadline",
        "20s",
        "--on-deadline",
        "remove",
        "--sysctl",
        "never",
    ])?;
    // Removed, and what that costs was counted.
    let ended = drain.ended(LIMIT)?;
    let told = case.daemon.restore(case.place)?;
    case.facts.says("told", "still knew", Some(&told));
    clock::pass(Duration::from_secs(5));
    let end = End::REMOVED.exit("7").state("restored").weight(Some(1)).resumes();
    case.judge(Some(&ended.exit()), end)
}

fn begin(case: &mut Case<'_>, action: &str) -> Result<PendingDrain> {
    case.send_pinned_udp(Replies::Echo)?;
    case.drain(&["--deadline", "20s", "--on-deadline", action])
}
