//! A TCP connection that is established and silent: it keeps its server for as long as it is open, and no longer than a
//! quiet window after it.

use std::time::Duration;

use anyhow::Result;
use ipvsdrain::identity::Protocol;

use super::judged::End;
use super::row::Row;
use super::setting::{Case, Setting};

/// Many quiet windows.
const SILENT: Duration = Duration::from_mins(1);

pub(super) fn rows() -> Vec<Row> {
    vec![Row::new("tcp-idle", Setting::of(Protocol::Tcp), idle)]
}

/// Removed too early is removed while it was established.
fn idle(case: &mut Case<'_>) -> Result<()> {
    case.connect_tcp(SILENT, None)?;
    let drain = case.drain(&[])?;
    case.judge_end(drain, End::IDLE)
}
