//! Clients with a fixed source port that never fall silent: what each policy does about them.

use std::time::Duration;

use anyhow::Result;

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
    case.judge_now(drain, End::DRAINING)
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
    case.judge_now(drain, End::DRAINING)
}
