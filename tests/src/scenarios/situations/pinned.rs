//! Clients with a fixed source port that never fall silent: what each policy does about them.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::judged::End;
use super::row::Row;
use super::setting::{Case, Setting};
use crate::clock;
use crate::traffic::Replies;

/// Four quiet windows.
const LONG: Duration = Duration::from_secs(40);

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("pinned-wait", Setting::udp(), wait),
        Row::new("pinned-migrate", Setting::udp(), migrate),
        Row::new("pinned-hold", Setting::udp(), hold),
    ]
}

fn wait(case: &mut Case<'_>) -> Result<()> {
    case.send_pinned_udp(Replies::Echo)?;
    let drain = case.drain(&["--pinned", "wait"])?;
    clock::pass(LONG);
    no_leak(case)?;
    case.judge_now(drain, End::DRAINING)
}

/// Every flow began before weight 0, and none may be told as one that began later.
fn no_leak(case: &mut Case<'_>) -> Result<()> {
    let leaks = case.daemon.drain_as_json(case.place)?["leaks"].clone();
    case.facts.add("leaks", Value::Null, leaks);
    Ok(())
}

fn migrate(case: &mut Case<'_>) -> Result<()> {
    case.send_pinned_udp(Replies::Echo)?;
    let drain = case.drain(&["--pinned", "migrate"])?;
    case.judge_end(drain, End::REMOVED)
}

/// Like `wait`, but it is said that the drain will not go on by itself.
fn hold(case: &mut Case<'_>) -> Result<()> {
    case.send_pinned_udp(Replies::Echo)?;
    let drain = case.drain(&["--pinned", "hold"])?;
    clock::pass(LONG);
    let held = case.daemon.drain(case.place).ok().and_then(|view| view.held);
    case.facts.says("held", "pinned", held.as_deref());
    no_leak(case)?;
    case.judge_now(drain, End::DRAINING)
}
