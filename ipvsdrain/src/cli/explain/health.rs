//! What is known of the health of a server, who says so, and what is done about it, in sentences. Pure.

use super::deadline::span;
use crate::api::{DrainView, HealthView, Says, WordView};
use crate::drain::{OnFailure, Reason, State};

/// One a line; nothing where nobody spoke of the server.
pub(super) fn lines(health: Option<&HealthView>, drain: Option<&DrainView>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(health) = health {
        lines.push(format!("Health: {}.", known(health)));
        lines.extend(health.sources.iter().map(|word| format!("  {}.", said(word))));
        let what = if health.alarm { "Alarm" } else { "What is done" };
        lines.push(format!("{what}: {}.", doing(health, drain)));
    }
    if let Some(drain) = drain {
        lines.extend(taken_over(drain));
        if drain.reason == Reason::Failure && !drain.shadow {
            lines.extend(removal(drain, health));
            lines.extend(way_back(drain, health));
        }
    }
    lines
}

/// All of it in half a sentence.
pub(in crate::cli) fn in_short(health: &HealthView) -> String {
    format!("{}: {}", known(health), health.doing)
}

fn known(health: &HealthView) -> String {
    let since = span(health.seconds);
    let because = health.because.as_deref().unwrap_or_default();
    match (health.verdict, &health.source) {
        (Says::Down, Some(source)) => format!("down for {since}, says {source} ({because})"),
        (Says::Down, None) => format!("down for {since} ({because})"),
        (Says::Up, _) => format!("up for {since}"),
        (Says::Unknown, _) => format!("unknown for {since}: {because}"),
    }
}

/// What holds its drain is said there.
fn doing<'view>(health: &'view HealthView, drain: Option<&DrainView>) -> &'view str {
    let held = drain.and_then(|drain| drain.held.as_ref());
    let without = held.and_then(|held| health.doing.strip_suffix(&format!("; held: {held}")));
    without.unwrap_or(&health.doing)
}

fn said(word: &WordView) -> String {
    let WordView { source, cause, .. } = word;
    let heard = span(word.heard_seconds_ago);
    let cause = match cause.as_str() {
        "" => String::new(),
        cause => format!(" ({cause})"),
    };
    if word.stale_in_seconds < 0.0 {
        let silent = span(-word.stale_in_seconds);
        return format!("{source} is silent: last heard {heard} ago{cause}, stale for {silent}");
    }
    let stale = format!("last heard {heard} ago, stale in {}", span(word.stale_in_seconds));
    let since = span(word.seconds);
    match word.says {
        Says::Up if word.failures > 0 => format!(
            "{source} says up, for {since}, but failed {} in a row{cause}; {stale}",
            times(word.failures)
        ),
        Says::Up => format!(
            "{source} says up, for {since}, {} in a row; {stale}",
            times(word.passes)
        ),
        Says::Down if word.passes > 0 => format!(
            "{source} says down, for {since}{cause}, but passed {} in a row; {stale}",
            times(word.passes)
        ),
        Says::Down => format!(
            "{source} says down, for {since}, {} in a row{cause}; {stale}",
            times(word.failures)
        ),
        Says::Unknown => format!("{source} has no word yet{cause}; {stale}"),
    }
}

fn times(number: u32) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        many => format!("{many} times"),
    }
}

fn taken_over(drain: &DrainView) -> Option<String> {
    let is_down = !matches!(drain.state, State::Restored | State::Yielded);
    let is_taken = is_down && drain.reason != Reason::Failure;
    let failure = drain.failure.as_ref().filter(|_| is_taken)?;
    Some(format!(
        "Taken over: it had been drained for its failure ({}: {}); now it is in maintenance, and no health puts it back.",
        failure.source, failure.cause
    ))
}

/// When it is taken out of the table, by what is known now.
fn removal(drain: &DrainView, health: Option<&HealthView>) -> Option<String> {
    if drain.state.is_final() || drain.state == State::Restoring {
        return None;
    }
    let policy = drain.policy.failure;
    if policy.then != OnFailure::Remove {
        return Some("Removal: never, its policy keeps a server that fails at weight 0.".to_owned());
    }
    let health = match health {
        Some(health) if health.verdict == Says::Down => health,
        Some(health) if health.verdict == Says::Up => return Some("Removal: not while it is up.".to_owned()),
        _ => return Some("Removal: not while nobody says that it is down.".to_owned()),
    };
    let left = f64::from(policy.remove_after_secs) - health.seconds;
    let time = (left > 0.0 && !health.unanimous).then(|| format!("in {}", span(left)));
    let findings = policy.confirmations.saturating_sub(health.failures);
    let findings = (findings > 0).then(|| {
        let more = if findings == 1 { "failure" } else { "failures" };
        format!(
            "after {findings} more {more} in a row ({} of {})",
            health.failures, policy.confirmations
        )
    });
    let due: Vec<String> = [time, findings].into_iter().flatten().collect();
    Some(match due.as_slice() {
        [] => "Removal: due as soon as nothing holds it.".to_owned(),
        due => format!("Removal: {}, unless it is up before.", due.join(", and ")),
    })
}

/// What puts it back by itself.
fn way_back(drain: &DrainView, health: Option<&HealthView>) -> Option<String> {
    let DrainView { service, server, .. } = drain;
    let failure = drain.failure.as_ref()?;
    if matches!(drain.state, State::Restoring | State::Restored | State::Yielded) {
        return None;
    }
    let needed = failure.hold_down_secs;
    #[allow(clippy::cast_precision_loss, reason = "a span that people read")]
    let needed_secs = needed as f64;
    let when = match health.filter(|health| health.verdict == Says::Up) {
        Some(health) => format!(
            "in {}, once it was up for {needed} s",
            span(needed_secs - health.seconds)
        ),
        None => format!("once it was up for {needed} s"),
    };
    let level = match failure.level {
        0 | 1 => String::new(),
        level => format!(" (it failed {} lately)", times(level)),
    };
    Some(format!(
        "Way back: {when}{level}; `ipvsdrain restore {service} {server}` does it now."
    ))
}
