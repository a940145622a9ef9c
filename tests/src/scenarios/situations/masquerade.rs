//! Masquerade with replies in flight: the server answers long after the last request, and its reply needs the entry.

use std::time::Duration;

use anyhow::Result;

use super::judged::End;
use super::row::Row;
use super::setting::{Case, Setting};
use super::traffic::LAST;
use crate::traffic::Replies;
use crate::world::Forwarding;

/// Well within a quiet window, and a good part of it.
const LATE: Duration = Duration::from_secs(6);

pub(super) fn rows() -> Vec<Row> {
    let setting = Setting {
        forwarding: Forwarding::Masquerade,
        ..Setting::udp()
    };
    vec![Row::new("masquerade-late-replies", setting, late)]
}

/// The last packet of each flow is a reply.
fn late(case: &mut Case<'_>) -> Result<()> {
    case.send_udp(LAST, Replies::Late(LATE))?;
    let drain = case.drain(&[])?;
    case.judge_end(drain, End::IDLE)
}
