//! Why a drained server is not removed yet, or how its drain ended. Pure: the view goes in, sentences come out.
//!
//! It says what is shown and nothing else; nothing is judged here a second time.

use super::deadline::{deadline, span};
use crate::api::DrainView;
use crate::drain::{Pinned, Reason, Rung, State, Then};

/// A drain in sentences.
pub(super) fn lines(view: &DrainView) -> Vec<String> {
    let mut lines = vec![standing(view)];
    if view.shadow {
        lines.push("Shadow mode: everything is decided, and nothing is changed.".to_owned());
    }
    if view.state.is_final() {
        lines.push(ended(view));
        return lines;
    }
    let by_health = view.reason == Reason::Failure;
    lines.push(live(view));
    if !by_health {
        lines.extend(pinned_or_leaked(view));
    }
    lines.extend(seen_by(view));
    lines.extend(view.held.as_ref().map(|held| format!("Held: {held}.")));
    // Once a server that fails is quiesced, its flows and deadlines decide nothing: its health does.
    let is_quiesced = matches!(view.state, State::Draining | State::Quiet | State::Drained);
    if !by_health || !is_quiesced {
        lines.extend(remaining(view));
    }
    if !by_health {
        lines.extend(deadline(view));
    }
    lines
}

/// Where it stands, and since when.
fn standing(view: &DrainView) -> String {
    let who = match (view.who.as_str(), view.why.as_str()) {
        (who, why) if view.reason == Reason::Failure => format!(": {why} ({who})"),
        ("", "") => String::new(),
        (who, "") => format!(", asked for by {who}"),
        ("", why) => format!(", asked for with \"{why}\""),
        (who, why) => format!(", asked for by {who} with \"{why}\""),
    };
    let head = format!("{} in {} is {}", view.server, view.service, view.state);
    let beginning = if view.reason == Reason::Failure {
        "it was said to be down"
    } else {
        "the request"
    };
    let since = match view.transitions.last() {
        _ if view.state.is_final() => format!("{} after {beginning}", span(view.seconds_since_start)),
        Some(last) => format!(
            "for {} (when that began: {}), {} after {beginning}",
            span(view.seconds_since_start - last.seconds_since_start),
            last.why,
            span(view.seconds_since_start)
        ),
        None => format!("for {}, since {beginning}", span(view.seconds_since_start)),
    };
    format!("{head}, {since}{who}.")
}

/// How a drain ended, and what can be done now.
fn ended(view: &DrainView) -> String {
    let DrainView { service, server, .. } = view;
    let how = view.verdict.clone().unwrap_or_else(|| {
        let lost = view.arrivals.map_or_else(String::new, |arrivals| {
            format!(": {} packets lost so far", arrivals.lost)
        });
        format!("what the removal cost is still being counted{lost}")
    });
    let owes = if view.over {
        ""
    } else {
        " It is not over before that is settled and what was borrowed is put back."
    };
    let next = match view.state {
        State::Removed => format!(" `ipvsdrain restore {service} {server}` puts it back as it was."),
        State::Restored if view.over => format!(" `ipvsdrain drain {service} {server}` begins anew."),
        State::Yielded => {
            " Nothing more is done to it; `ipvsdrain status` shows what the table makes of it.".to_owned()
        }
        _ => String::new(),
    };
    format!("Ended: {how}.{owes}{next}")
}

fn live(view: &DrainView) -> String {
    let entries = format!("the kernel's table has {} entries of it", view.entries);
    match (view.live, view.rung) {
        (Some(live), _) if live.total() == 0 => format!("Live: no flow; {entries}."),
        (Some(live), _) => format!(
            "Live: {} UDP flows, {} open TCP connections, {} closing ones; {entries}.",
            live.udp, live.tcp_open, live.tcp_closing
        ),
        (None, Some(Rung::Counters)) => {
            format!(
                "Live: flows cannot be counted, so any may be live until the silence has lasted; {entries}."
            )
        }
        (None, _) => format!("Live: not known, and unknown is never idle; {entries}."),
    }
}

fn pinned_or_leaked(view: &DrainView) -> Option<String> {
    let DrainView { service, server, .. } = view;
    if let Some(leaks) = &view.leaks {
        return Some(format!("Leaking: {leaks}."));
    }
    let live = view.live.filter(|live| live.total() > 0)?;
    let drains = matches!(view.state, State::Draining | State::Quiet | State::Drained);
    let udp = match view.policy.pinned {
        _ if live.udp == 0 => "",
        Pinned::Wait => {
            " Clients that never fall silent are waited for, as the policy says; to move them, \
             restore it and drain it with --pinned migrate."
        }
        Pinned::Migrate => {
            " Once nothing but UDP is live and had its time, they are migrated, as the policy says."
        }
        Pinned::Hold => " The server is kept for UDP clients that never fall silent, as the policy says.",
    };
    let tcp = if live.tcp_open > 0 {
        " Open TCP connections cannot be moved: they are waited for until they end."
    } else {
        ""
    };
    (drains && view.rung == Some(Rung::Probes)).then(|| {
        format!(
            "Pinned: none of them is known to have begun after weight 0; `ipvsdrain flows {service} {server}` tells \
             each.{udp}{tcp}"
        )
    })
}

fn seen_by(view: &DrainView) -> Option<String> {
    let rung = view.rung?;
    let why = view.rung_cause.as_ref();
    let why = why.map(|why| format!("; nothing better, because: {why}"));
    Some(format!("Seen by {rung}{}.", why.unwrap_or_default()))
}

/// What is left to happen until the server is gone.
fn remaining(view: &DrainView) -> Option<String> {
    let DrainView { service, server, .. } = view;
    let witnesses = if view.rung == Some(Rung::Counters) {
        "the kernel's counters were silent for the whole quiet window and some seconds more"
    } else {
        "both witnesses were silent for the whole quiet window"
    };
    let end = match view.policy.then {
        _ if view.shadow => "it would be removed, were this not shadow mode",
        Then::Remove => "it is removed",
        Then::Keep => "it is kept at weight 0",
    };
    let next = match view.state {
        _ if view.kept => format!(
            "nothing: it is proven empty, and its policy keeps it at weight 0. `ipvsdrain restore {service} {server}` \
             gives it its weight back"
        ),
        State::Pooled if view.shadow => "another hand sets its weight to 0".to_owned(),
        State::Pooled => "its weight is set to 0, and its flows are watched".to_owned(),
        State::Draining | State::Quiet => format!(
            "once no flow is live and {witnesses} (udp_quiet {} s, closing_quiet {} s), {end}",
            view.policy.udp_quiet_secs, view.policy.closing_quiet_secs
        ),
        State::Drained => end.to_owned(),
        State::Restoring => format!("the table shows it with weight {} again", view.before.weight),
        State::Removed | State::Restored | State::Yielded => return None,
    };
    Some(format!("Next: {next}."))
}
