//! What the deadlines of a drain will do, and when. Pure.

use crate::api::DrainView;
use crate::drain::{OnDeadline, State};

/// The next deadlines, and what they will do.
pub(super) fn deadline(view: &DrainView) -> Option<String> {
    if view.kept || view.state == State::Restoring {
        return None;
    }
    let policy = &view.policy;
    let left = |secs: Option<u32>| {
        let left = secs.map(|secs| f64::from(secs) - view.seconds_since_start);
        left.filter(|left| *left > 0.0).map(span)
    };
    let what = match policy.on_deadline {
        OnDeadline::Hold => "the drain goes on, overdue",
        OnDeadline::Remove => {
            "the server is removed with its live flows (UDP is scheduled anew, TCP is cut), but never on unknown \
             evidence or below the floor"
        }
        OnDeadline::Restore => "the server gets its weight back",
    };
    let soft = left(policy.soft_deadline_secs);
    let soft = soft.map(|soft| format!("in {soft} it is called overdue, and nothing else happens"));
    let hard = match (policy.deadline_secs, left(policy.deadline_secs)) {
        _ if view.overdue => Some(format!("it has passed: {what}")),
        (Some(_), Some(hard)) => Some(format!("in {hard} {what}")),
        (Some(_), None) => Some(format!("it passes now: {what}")),
        (None, _) => None,
    };
    let both: Vec<String> = [soft.filter(|_| !view.overdue), hard]
        .into_iter()
        .flatten()
        .collect();
    Some(if both.is_empty() {
        "Deadline: none is left; it goes on for as long as it takes.".to_owned()
    } else {
        format!("Deadline: {}.", both.join("; "))
    })
}

/// In the two units that say enough.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a span that people read"
)]
pub(in crate::cli) fn span(secs: f64) -> String {
    let secs = secs.max(0.0).round() as u64;
    match secs {
        0..120 => format!("{secs} s"),
        120..7_200 => format!("{} min {} s", secs / 60, secs % 60),
        _ => format!("{} h {} min", secs / 3_600, secs % 3_600 / 60),
    }
}
