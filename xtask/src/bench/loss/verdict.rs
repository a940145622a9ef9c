//! What the results say of ipvsdrain: whether each cell keeps its promise, and how long it takes beside `counter-poll`. Pure.
//!
//! The promise: nothing is lost, refused or broken, and once the server is silent at weight 0, it is out within the quiet
//! window and two seconds.

use std::fmt;

use super::plan::TRAFFIC;
use super::record::{Cost, Key, Record, Records};
use super::share::is_datagrams;

/// The defaults of `udp_quiet_secs` and `tcp_quiet_secs` (`docs/decision.md`), under which ipvsdrain runs here.
const UDP_QUIET: f64 = 10.0;
const TCP_QUIET: f64 = 30.0;
/// For the looks that find the window over, and the removal.
const SLACK: f64 = 2.0;

/// How ipvsdrain fared over all cells.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    cells: usize,
    /// Something was lost, refused or broken there.
    harmed: Vec<Key>,
    removals: usize,
    /// Later than promised.
    late: Vec<(Key, f64)>,
    beside: Vec<Beside>,
}

/// One kind of traffic: the longest silence before a removal, by strategy; None where some cell saw no removal.
#[derive(Debug, PartialEq)]
struct Beside {
    traffic: &'static str,
    ipvsdrain: f64,
    counter_poll: Option<f64>,
}

pub(super) fn is_ipvsdrain(strategy: &str) -> bool {
    strategy.starts_with("ipvsdrain")
}

/// Quiet window of the service and what may come on top, in seconds.
pub(super) fn allowed(traffic: &str) -> f64 {
    SLACK
        + if is_datagrams(traffic) {
            UDP_QUIET
        } else {
            TCP_QUIET
        }
}

/// Seconds for which the server had been silent when it was removed. What went before its weight was 0 is not counted: new
/// flows could come at any moment then.
pub(super) fn waited(cost: &Cost) -> Option<f64> {
    let at_weight_0 = cost.seconds_to_removal? - cost.seconds_to_quiesce.unwrap_or(0.0);
    Some(cost.seconds_silent?.min(at_weight_0))
}

/// Anything at all was lost, reset, refused or broken. That `migrate` moves flows is what it is for.
fn is_harmed(cost: &Cost) -> bool {
    let Cost {
        lost,
        answers_lost,
        reset,
        stuck,
        broken,
        refused,
        ..
    } = *cost;
    [lost, answers_lost, reset, stuck, broken, refused] != [0; 6]
}

impl Verdict {
    pub(super) fn of(records: &Records) -> Self {
        let mut verdict = Self::default();
        for record in records.all().filter(|record| is_ipvsdrain(&record.key.strategy)) {
            let Some(cost) = record.valid() else {
                continue;
            };
            verdict.cells += 1;
            if is_harmed(cost) {
                verdict.harmed.push(record.key.clone());
            }
            let Some(waited) = waited(cost) else {
                continue;
            };
            verdict.removals += 1;
            if waited > allowed(&record.key.traffic) {
                verdict.late.push((record.key.clone(), waited));
            }
        }
        verdict.beside = TRAFFIC
            .into_iter()
            .filter_map(|traffic| Beside::of(records, traffic))
            .collect();
        verdict
    }

    pub(super) fn is_kept(&self) -> bool {
        self.harmed.is_empty() && self.late.is_empty()
    }
}

impl Beside {
    /// None where either has no result, or ipvsdrain never removed the server.
    fn of(records: &Records, traffic: &'static str) -> Option<Self> {
        let costs = |is_one: fn(&str) -> bool| {
            records
                .all()
                .filter(move |record| record.key.traffic == traffic && is_one(&record.key.strategy))
                .filter_map(Record::valid)
        };
        let longest = |seconds: Vec<f64>| seconds.into_iter().reduce(f64::max);
        let ipvsdrain = longest(costs(is_ipvsdrain).filter_map(waited).collect())?;
        let all: Option<Vec<f64>> = costs(|strategy| strategy == "counter-poll").map(waited).collect();
        if all.as_ref().is_some_and(Vec::is_empty) {
            return None;
        }
        Some(Self {
            traffic,
            ipvsdrain,
            counter_poll: all.and_then(longest),
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |count: usize, all: usize| match count {
            0 => format!("all {all}"),
            _ => format!("{} of {all}", all - count),
        };
        write!(
            f,
            "ipvsdrain: nothing lost, reset or refused in {} cells; of {} removals, {} within the quiet window + {SLACK} s of the last packet",
            of(self.harmed.len(), self.cells),
            self.removals,
            of(self.late.len(), self.removals),
        )?;
        for key in &self.harmed {
            write!(f, "\n  harmed: {key}")?;
        }
        for (key, waited) in &self.late {
            write!(f, "\n  late: {key}: {waited:.1} s")?;
        }
        for Beside {
            traffic,
            ipvsdrain,
            counter_poll,
        } in &self.beside
        {
            write!(
                f,
                "\n  {traffic}, last packet to removal: ipvsdrain {ipvsdrain:.1} s, "
            )?;
            match counter_poll {
                Some(seconds) => write!(
                    f,
                    "counter-poll {seconds:.1} s, {:.1} times as long",
                    seconds / ipvsdrain
                )?,
                None => f.write_str("counter-poll never within 420 s")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::loss::record::tests::{cost, record};

    fn records(cells: &[(&str, &str, Cost)]) -> Records {
        let mut records = Records::default();
        for (traffic, strategy, cost) in cells {
            let mut one = record("6.1", traffic, strategy, None);
            one.cost = Some(cost.clone());
            records.take(one);
        }
        records
    }

    fn removed(after: f64, silent: f64) -> Cost {
        Cost {
            seconds_silent: Some(silent),
            ..cost(100, 0, Some(after))
        }
    }

    #[test]
    fn silence_counts_from_depooling_at_the_earliest_and_both_sides_of_the_bound_are_told_apart() {
        for (traffic, after, silent, is_kept) in [
            ("dns", 11.9, 40.0, true),
            ("dns", 200.0, 12.1, false),
            ("dns", 12.1, 40.0, false),
            ("http", 40.0, 31.9, true),
            ("http", 40.0, 32.1, false),
        ] {
            let verdict = Verdict::of(&records(&[(traffic, "ipvsdrain", removed(after, silent))]));
            assert_eq!(
                verdict.is_kept(),
                is_kept,
                "{traffic} {after} {silent}: {verdict}"
            );
        }
    }

    #[test]
    fn a_server_that_was_silent_before_is_waited_for_from_weight_0_on() {
        let mut cost = removed(13.0, 20.0);
        cost.seconds_to_quiesce = Some(1.5);
        assert!((waited(&cost).unwrap() - 11.5).abs() < 1e-9);
        cost.seconds_silent = Some(10.5);
        assert!((waited(&cost).unwrap() - 10.5).abs() < 1e-9);
    }

    #[test]
    fn any_harm_breaks_the_promise_and_that_of_others_does_not() {
        let mut reset = cost(100, 0, None);
        reset.reset = 1;
        let mut moved = cost(100, 0, None);
        moved.moved = 3;
        let verdict = Verdict::of(&records(&[
            ("dns", "delete", cost(100, 9, Some(0.0))),
            ("quic", "ipvsdrain-migrate", moved),
            ("dns", "ipvsdrain", cost(100, 0, None)),
            ("idle", "ipvsdrain", reset),
        ]));
        assert!(!verdict.is_kept());
        let text = verdict.to_string();
        assert!(
            text.contains("in 2 of 3 cells") && text.contains("idle"),
            "{text}"
        );
        assert!(!text.contains("`delete`") && !text.contains("quic"), "{text}");
    }

    #[test]
    fn counters_are_compared_where_both_have_a_result() {
        let ours = ("quic", "ipvsdrain", removed(70.0, 10.5));
        let beside = |theirs: Cost| {
            let theirs = ("quic", "counter-poll", theirs);
            Verdict::of(&records(&[ours.clone(), theirs])).to_string()
        };
        let text = beside(removed(380.0, 315.0));
        assert!(
            text.contains("counter-poll 315.0 s, 30.0 times as long"),
            "{text}"
        );
        assert!(beside(cost(100, 0, None)).contains("never"), "{text}");
        assert!(Verdict::of(&records(&[ours])).beside.is_empty());
    }
}
