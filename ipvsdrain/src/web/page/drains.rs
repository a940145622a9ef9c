//! Drains under way, as far as a person looks at them, and those that ended lately.

use serde::Serialize;

use super::past::{Past, Point};
use crate::api::{DrainView, PastDrain};
use crate::drain::{Hold, Overdue, Record};
use crate::moment::Moment;

/// What ended longer ago is for `ipvsdrain history`.
const LATELY_SECS: u64 = 24 * 3600;
const MOST_ENDED: usize = 20;

#[derive(Serialize)]
pub(super) struct UnderWay {
    #[serde(flatten)]
    drain: DrainView,
    /// How flows are seen, as a person says it.
    rung_words: Option<String>,
    /// A server that is gone, and whose last packets are being counted.
    counting: bool,
    /// `soft` or `hard`.
    late: Option<Overdue>,
    /// Since it was asked for.
    asked_seconds_ago: f64,
    /// Since it is in its state.
    state_seconds: f64,
    /// What brought it there.
    state_why: Option<String>,
    /// How old the evidence is; `null` before the first look.
    seen_seconds_ago: Option<f64>,
    /// Until the deadline; below 0 if it has passed.
    deadline_in_seconds: Option<f64>,
    /// Entries in the kernel's table; `null` while that cannot be read.
    table_entries: Option<u64>,
    /// Live flows that began before weight 0; `null` where nobody can tell.
    pinned: Option<u64>,
    /// The share of its flows that is gone, and the seconds until none is live; `null` where that cannot be told.
    progress: Option<f64>,
    left_seconds: Option<f64>,
    /// The newest point of its plots.
    point: Option<Point>,
}

#[derive(Serialize)]
pub(super) struct Ended {
    #[serde(flatten)]
    drain: PastDrain,
    /// `null` where the machine was rebooted in between.
    ended_seconds_ago: Option<u64>,
}

/// Those that began first come first.
pub(super) fn under_way(records: &[Record], past: &Past, now: Moment) -> Vec<UnderWay> {
    let mut open: Vec<&Record> = records.iter().filter(|record| !record.is_over()).collect();
    open.sort_by_key(|record| record.id);
    open.into_iter().map(|record| drain(record, past, now)).collect()
}

fn drain(record: &Record, past: &Past, now: Moment) -> UnderWay {
    let ago = |at: Moment| now.since(at).as_secs_f64();
    let last = record.transitions.last();
    let asked = ago(record.asked_at());
    let drain = DrainView::from(record);
    let course = past.course(record.id);
    let is_table_unknown = matches!(record.observed.held, Some(Hold::TableUnknown(_)));
    UnderWay {
        rung_words: drain.rung.map(|rung| rung.to_string()),
        counting: record.is_counting(),
        late: record.overdue,
        asked_seconds_ago: asked,
        state_seconds: ago(last.map_or(record.started_at, |last| last.at)),
        state_why: last.map(|last| last.why.clone()),
        seen_seconds_ago: record.observed.at.map(ago),
        deadline_in_seconds: record.policy.deadline_secs.map(|secs| f64::from(secs) - asked),
        table_entries: Some(record.observed.entries)
            .filter(|_| record.observed.at.is_some() && !is_table_unknown),
        pinned: record.pinned(),
        progress: course.and_then(|course| course.progress(record)),
        left_seconds: course
            .and_then(|course| course.left(record, now))
            .map(|left| left.as_secs_f64()),
        point: past.newest(record.id),
        drain,
    }
}

/// The newest first.
pub(super) fn ended(records: &[Record], unix: u64) -> Vec<Ended> {
    let over = records.iter().filter(|record| record.is_over());
    let mut ended: Vec<Ended> = over
        .map(|record| {
            let drain = PastDrain::from(record);
            let ended = drain.seconds_to_end.map(|secs| whole(secs) + drain.began_unix);
            Ended {
                ended_seconds_ago: ended.map(|ended| unix.saturating_sub(ended)),
                drain,
            }
        })
        .filter(|ended| {
            ended.drain.began_unix + LATELY_SECS > unix
                || ended.ended_seconds_ago.is_some_and(|ago| ago < LATELY_SECS)
        })
        .collect();
    ended.sort_by_key(|ended| {
        (
            ended.ended_seconds_ago.unwrap_or(u64::MAX),
            u64::MAX - ended.drain.id,
        )
    });
    ended.truncate(MOST_ENDED);
    ended
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the seconds of a drain"
)]
fn whole(secs: f64) -> u64 {
    secs.max(0.0) as u64
}
