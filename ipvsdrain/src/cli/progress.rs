//! What a waiting person sees: one line that is redrawn on a terminal, one line per change elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

use crate::api::DrainView;
use crate::drain::{Rung, State};

#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    pub(super) fn start() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}").expect("a fixed template");
            ProgressBar::new_spinner().with_style(style)
        });
        Self {
            bar,
            last: String::new(),
        }
    }

    pub(super) fn show(&mut self, view: &DrainView) {
        let line = sentence(view);
        let stamped = format!("{:>4.0} s  {line}", view.seconds_since_start);
        if let Some(bar) = &self.bar {
            bar.set_message(stamped);
            bar.tick();
        } else if line != self.last {
            eprintln!("{stamped}");
            self.last = line;
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn sentence(view: &DrainView) -> String {
    let live = match (&view.live, view.rung) {
        _ if view.state == State::Removed && !view.over => {
            let lost = view
                .arrivals
                .map(|arrivals| format!(": {} packets lost so far", arrivals.lost));
            lost.unwrap_or_default()
        }
        _ if view.state.is_final() => String::new(),
        (None, Some(Rung::Counters)) => ": live flows not countable".to_owned(),
        (Some(live), _) => {
            format!(
                ": {} live flows ({} UDP, {} open TCP, {} closing)",
                live.total(),
                live.udp,
                live.tcp_open,
                live.tcp_closing
            )
        }
        (None, _) => String::new(),
    };
    let held = view
        .held
        .as_deref()
        .map(|held| format!("; held: {held}"))
        .unwrap_or_default();
    format!("{}{live}{held}", view.state)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::LiveView;
    use crate::drain::Arrivals;

    /// A drain as a daemon showed it that knew neither rungs nor arrivals.
    pub(in crate::cli) fn view() -> DrainView {
        serde_json::from_value(json!({
            "id": 1, "service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "state": "draining", "held": null,
            "evidence_unknown": false, "live": null, "entries": 0,
            "before": {"forwarding": "direct_route", "weight": 5, "upper_threshold": 0, "lower_threshold": 0},
            "policy": {}, "migrated": 0, "over": false, "verdict": null, "seconds_since_start": 3.0,
            "seconds_to_removal": null, "who": "", "why": "", "transitions": [], "revision": 7,
        }))
        .unwrap()
    }

    pub(in crate::cli) const LIVE: LiveView = LiveView {
        udp: 3,
        tcp_open: 0,
        tcp_closing: 1,
        forwarded: 9,
        last_packet: None,
    };

    #[test]
    fn flows_are_told_where_they_can_be_counted() {
        let unknown = view();
        assert_eq!(sentence(&unknown), "draining");
        let counted = DrainView {
            live: Some(LIVE),
            rung: Some(Rung::Probes),
            ..view()
        };
        assert_eq!(
            sentence(&counted),
            "draining: 4 live flows (3 UDP, 0 open TCP, 1 closing)"
        );
        let uncountable = DrainView {
            rung: Some(Rung::Counters),
            held: Some("no way".to_owned()),
            ..view()
        };
        assert_eq!(
            sentence(&uncountable),
            "draining: live flows not countable; held: no way"
        );
    }

    #[test]
    fn the_aftermath_shows_the_count_until_it_is_over() {
        let counting = DrainView {
            state: State::Removed,
            live: Some(LIVE),
            arrivals: Some(Arrivals {
                lost: 2,
                ..Arrivals::default()
            }),
            ..view()
        };
        assert_eq!(sentence(&counting), "removed: 2 packets lost so far");
        let over = DrainView {
            over: true,
            ..counting.clone()
        };
        assert_eq!(sentence(&over), "removed");
        let not_witnessed = DrainView {
            arrivals: None,
            ..counting
        };
        assert_eq!(sentence(&not_witnessed), "removed");
    }
}
