//! How live flows become fewer, and when there will be none. Pure.
//!
//! Flows that end by themselves become fewer in proportion to how many there are, so what was seen is fitted with an
//! exponential. Where the count does not fall, nothing is foretold: somebody may be pinned.

use std::collections::VecDeque;

/// What is older says little about now.
const WINDOW_SECS: f64 = 60.0;
/// Less than this says nothing.
const SHORTEST_SECS: f64 = 5.0;
/// Beyond this it is no help to anybody.
const FARTHEST_SECS: f64 = 24.0 * 3600.0;
/// A drain is looked at twice a second, and now and then in between: this many are a minute of that.
const MOST_SAMPLES: usize = 256;
/// As good as none.
const NONE_LEFT: f64 = 0.5;

/// What was counted at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Seconds on any clock that does not jump.
    pub at: f64,
    pub live: u64,
    /// Packets so far.
    pub forwarded: u64,
}

/// The samples of the last minute, and no more than [`MOST_SAMPLES`].
#[derive(Debug, Default)]
pub struct Samples(VecDeque<Sample>);

impl Samples {
    /// A count that jumps back, as after a restart of the daemon, begins anew.
    pub fn add(&mut self, sample: Sample) {
        if let Some(last) = self.0.back() {
            if sample.forwarded < last.forwarded || sample.at < last.at {
                self.0.clear();
            } else if sample.at <= last.at {
                return;
            }
        }
        self.0.push_back(sample);
        while self.0.len() > MOST_SAMPLES
            || self
                .0
                .front()
                .is_some_and(|first| sample.at - first.at > WINDOW_SECS)
        {
            self.0.pop_front();
        }
    }

    /// Between the last two of them.
    pub fn packets_per_second(&self) -> Option<f64> {
        let last = self.0.back()?;
        let before = self.0.iter().rev().nth(1)?;
        let secs = last.at - before.at;
        (secs > 0.0).then(|| count(last.forwarded.saturating_sub(before.forwarded)) / secs)
    }

    /// See [`seconds_to_none`].
    pub fn seconds_to_none(&self) -> Option<f64> {
        let samples: Vec<Sample> = self.0.iter().copied().collect();
        seconds_to_none(&samples)
    }
}

/// Until no flow is live, if it goes on like this. `None` where it does not fall.
fn seconds_to_none(samples: &[Sample]) -> Option<f64> {
    let (first, last) = (samples.first()?, samples.last()?);
    let middle = samples
        .iter()
        .rfind(|sample| sample.at <= f64::midpoint(first.at, last.at))?;
    // In both halves: what fell once and then stands still does not fall.
    let falls = middle.live > last.live && first.live >= middle.live;
    if !falls || last.live == 0 || last.at - first.at < SHORTEST_SECS {
        return None;
    }
    let rate = -slope(
        samples
            .iter()
            .map(|sample| (sample.at, count(sample.live).max(NONE_LEFT).ln())),
    )?;
    let left = (count(last.live).ln() - NONE_LEFT.ln()) / rate;
    (rate > 0.0 && left <= FARTHEST_SECS).then_some(left)
}

/// Of the line with the least squares.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let number = points.clone().fold(0.0, |sum, _| sum + 1.0);
    let mean = |of: fn((f64, f64)) -> f64| points.clone().map(of).sum::<f64>() / number;
    let (x_mean, y_mean) = (mean(|(x, _)| x), mean(|(_, y)| y));
    let (over, under) = points.fold((0.0, 0.0), |(over, under), (x, y)| {
        (over + (x - x_mean) * (y - y_mean), under + (x - x_mean).powi(2))
    });
    (under > 0.0).then(|| over / under)
}

#[allow(clippy::cast_precision_loss, reason = "a count that is shown rounded")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(live: impl IntoIterator<Item = u64>) -> Vec<Sample> {
        let seconds = (0u32..).map(f64::from);
        let sample = |(at, live)| Sample {
            at,
            live,
            forwarded: 0,
        };
        seconds.zip(live).map(sample).collect()
    }

    #[test]
    fn half_as_many_every_ten_seconds_are_none_after_as_many_halvings_as_it_takes() {
        let halving = |at: u32| 0.5_f64.powf(f64::from(at) / 10.0) * 1_048_576.0;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small count"
        )]
        let live = (0..=100).map(|at| halving(at).round() as u64);
        let left = seconds_to_none(&samples(live)).unwrap();
        assert!((left - 110.0).abs() < 1.0, "{left}");
    }

    #[test]
    fn a_count_that_stands_still_or_rises_foretells_nothing() {
        for live in [
            vec![5; 60],
            (1..60).collect(),
            // It fell once; what is left is pinned.
            (0..60).map(|at| if at < 10 { 50 } else { 7 }).collect(),
            vec![9, 8, 7],
            vec![0; 60],
            vec![],
        ] {
            assert_eq!(seconds_to_none(&samples(live.clone())), None, "{live:?}");
        }
    }

    #[test]
    fn a_few_flows_that_end_one_by_one_are_none_in_about_as_long_again() {
        let live = (0..40).map(|at| {
            if at < 15 {
                3
            } else if at < 30 {
                2
            } else {
                1
            }
        });
        let left = seconds_to_none(&samples(live)).unwrap();
        assert!((10.0..60.0).contains(&left), "{left}");
    }

    #[test]
    fn packets_are_counted_between_the_last_two_samples_and_never_backwards() {
        let mut samples = Samples::default();
        let mut see = |at, forwarded| {
            samples.add(Sample {
                at,
                live: 1,
                forwarded,
            });
            samples.packets_per_second()
        };
        assert_eq!(see(0.0, 100), None);
        assert_eq!(see(0.5, 150), Some(100.0));
        assert_eq!(see(0.5, 150), Some(100.0), "the same view again");
        assert_eq!(see(1.0, 20), None, "another daemon counts anew");
        assert_eq!(see(2.0, 30), Some(10.0));
    }

    #[test]
    fn what_is_older_than_a_minute_plays_no_part() {
        let mut kept = Samples::default();
        for (at, live) in (0u32..200).zip((1..=200u64).rev()) {
            kept.add(Sample {
                at: f64::from(at),
                live,
                forwarded: 0,
            });
        }
        assert_eq!(kept.0.len(), 61);
    }

    #[test]
    fn however_often_it_is_looked_at_the_samples_are_bounded() {
        let mut kept = Samples::default();
        for at in 0..100_000_u32 {
            kept.add(Sample {
                at: f64::from(at) / 10_000.0,
                live: 1,
                forwarded: 0,
            });
        }
        assert_eq!(kept.0.len(), MOST_SAMPLES);
    }
}
