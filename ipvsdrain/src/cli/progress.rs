//! What a waiting person sees: a line for each drain that is redrawn on a terminal; elsewhere a line when something
//! changed, and one every few seconds while only numbers do.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::explain::span;
use crate::api::DrainView;
use crate::drain::{Rung, Sample, Samples, State, Then, silence_left};
use crate::moment::Moment;

/// Off a terminal, a line whose words stay the same comes no more often than this.
const NUMBERS_EVERY_SECS: f64 = 5.0;

#[derive(Debug)]
pub(super) struct Progress {
    bars: Option<MultiProgress>,
    drains: Vec<Shown>,
}

/// One drain, as it was last shown.
#[derive(Debug)]
struct Shown {
    bar: Option<ProgressBar>,
    /// Which one it is, where there are several.
    name: String,
    samples: Samples,
    pace: Pace,
}

impl Progress {
    pub(super) fn start(drains: &[DrainView]) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        let is_alone = drains.len() == 1;
        let shown = |view: &DrainView| Shown {
            bar: bars.as_ref().map(|bars| {
                let style = ProgressStyle::with_template("{spinner} {wide_msg}").expect("a fixed template");
                bars.add(ProgressBar::new_spinner().with_style(style))
            }),
            name: if is_alone {
                String::new()
            } else {
                format!("{} {}: ", view.service, view.server)
            },
            samples: Samples::default(),
            pace: Pace::default(),
        };
        Self {
            drains: drains.iter().map(shown).collect(),
            bars,
        }
    }

    /// Shows drain `number` of those it was started with.
    pub(super) fn show(&mut self, number: usize, view: &DrainView) {
        let Some(shown) = self.drains.get_mut(number) else {
            return;
        };
        shown.samples.add(sample(view));
        let words = sentence(view);
        let line = format!("{:>4.0} s  {}", view.seconds_since_start, shown.name)
            + &words
            + &ahead(view, &shown.samples);
        if let Some(bar) = &shown.bar {
            bar.set_message(line);
            bar.tick();
        } else if shown.pace.is_due(&words, seconds(view.revision)) {
            eprintln!("{line}");
        }
    }

    pub(super) fn end(&mut self) {
        for bar in self.drains.iter().filter_map(|shown| shown.bar.as_ref()) {
            bar.finish_and_clear();
        }
        if let Some(bars) = &self.bars {
            drop(bars.clear());
        }
    }
}

/// When a line is worth printing where lines stay.
#[derive(Debug, Default)]
struct Pace {
    words: Option<String>,
    sentence: String,
    at: f64,
}

impl Pace {
    fn is_due(&mut self, sentence: &str, now: f64) -> bool {
        let words: String = sentence
            .chars()
            .filter(|letter| !letter.is_ascii_digit())
            .collect();
        let is_news = self.words.as_ref() != Some(&words);
        let is_due = is_news || (sentence != self.sentence && now - self.at >= NUMBERS_EVERY_SECS);
        if is_due {
            *self = Self {
                words: Some(words),
                sentence: sentence.to_owned(),
                at: now,
            };
        }
        is_due
    }
}

fn sample(view: &DrainView) -> Sample {
    Sample {
        at: seconds(view.revision),
        live: view.live.map_or(0, |live| live.total()),
        forwarded: view.forwarded.unwrap_or_default(),
    }
}

fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

/// Where it stands.
pub(super) fn sentence(view: &DrainView) -> String {
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

/// How fast it goes, and what comes when; nothing that is not known.
pub(super) fn ahead(view: &DrainView, samples: &Samples) -> String {
    if view.state.is_final() || view.kept {
        return String::new();
    }
    let live = view.live.map_or(0, |live| live.total());
    let packets = samples
        .packets_per_second()
        .filter(|_| live > 0)
        .map(|rate| format!("{rate:.0} packets/s"));
    let none_left = samples
        .seconds_to_none()
        .filter(|_| view.state == State::Draining)
        .map(|left| format!("none in about {}", span(left)));
    let removal = until_quiet(view).map(|left| {
        let what = match view.policy.then {
            _ if view.shadow => "proven empty",
            Then::Remove => "removal",
            Then::Keep => "proven empty",
        };
        format!("{what} in about {}", span(left))
    });
    let deadline = view
        .policy
        .deadline_secs
        .map(|secs| f64::from(secs) - view.seconds_since_start)
        .filter(|left| *left > 0.0 && !view.overdue)
        .map(|left| format!("deadline in {}", span(left)));
    let told = [packets, none_left, removal, deadline];
    told.into_iter()
        .flatten()
        .flat_map(|part| ["; ".to_owned(), part])
        .collect()
}

/// What is left of the quiet window, by the packet that was seen last.
fn until_quiet(view: &DrainView) -> Option<f64> {
    let last = view
        .live?
        .last_packet
        .filter(|_| view.state == State::Quiet && view.held.is_none())?;
    let now = Moment::from_nanos(view.revision);
    Some(silence_left(&view.policy, last, now).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{LIVE, view};
    use super::*;
    use crate::api::LiveView;
    use crate::drain::{Arrivals, Policy};

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

    #[test]
    fn new_words_come_at_once_and_new_numbers_every_few_seconds() {
        let mut pace = Pace::default();
        let due = [
            ("draining: 9 live flows", 0.0),
            ("draining: 8 live flows", 1.0),
            ("draining: 8 live flows", 6.0),
            ("draining: 7 live flows", 6.5),
            ("draining: 0 live flows; held: why", 7.0),
            ("quiet", 7.5),
            ("quiet", 99.0),
        ]
        .map(|(sentence, at)| pace.is_due(sentence, at));
        assert_eq!(due, [true, false, true, false, true, true, false]);
    }

    /// A drain with this many live flows after so many seconds, and ten packets a second.
    fn seen(state: State, udp: u64, secs: u64) -> DrainView {
        DrainView {
            state,
            live: Some(LiveView {
                udp,
                tcp_closing: 0,
                last_packet: Some(Moment::from_secs(100)),
                ..LIVE
            }),
            forwarded: Some(10 * secs),
            seconds_since_start: Duration::from_secs(secs).as_secs_f64(),
            revision: Moment::from_secs(100 + secs).as_nanos(),
            policy: Policy {
                deadline_secs: Some(600),
                ..Policy::default()
            },
            ..view()
        }
    }

    #[test]
    fn what_is_ahead_is_told_as_far_as_it_is_known() {
        let mut samples = Samples::default();
        let mut told = |view: &DrainView| {
            samples.add(sample(view));
            ahead(view, &samples)
        };
        assert_eq!(told(&seen(State::Draining, 64, 0)), "; deadline in 10 min 0 s");
        let pinned = told(&seen(State::Draining, 64, 6));
        assert_eq!(
            pinned, "; 10 packets/s; deadline in 9 min 54 s",
            "it does not fall"
        );
        for (udp, at) in [(32, 10), (16, 20)] {
            told(&seen(State::Draining, udp, at));
        }
        let falls = told(&seen(State::Draining, 8, 30));
        assert!(falls.starts_with("; 10 packets/s; none in about "), "{falls}");
        let quiet = told(&seen(State::Quiet, 0, 31));
        assert_eq!(quiet, "; removal in about 0 s; deadline in 9 min 29 s");
        let fresh = ahead(&seen(State::Quiet, 0, 4), &Samples::default());
        assert!(fresh.starts_with("; removal in about 6 s"), "{fresh}");
        assert_eq!(told(&seen(State::Removed, 0, 40)), "");
    }
}
