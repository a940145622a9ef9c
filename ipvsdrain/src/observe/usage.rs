//! How full the observer is and what its programs cost, at a price that does not grow with the number of flows.

use std::fs;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use ipvsdrain_ebpf::accounting::LONGEST_WINDOW;
use ipvsdrain_ebpf::layout::{FLOWS, Tally};

use super::probes::Probes;
use super::{Observer, Rung, bpf_calls};
use crate::clock;
use crate::moment::Moment;

/// Whether this host counts what programs cost. Only ever read: it costs every program of the host.
const IS_COUNTED: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// How full the observer is and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Flows that are tracked; `None` where flows are not counted.
    pub flows: Option<u64>,
    /// How many could be.
    pub capacity: u64,
    /// Packets whose flow found no room, since the daemon began. On the rung of arrivals: entries of the kernel's table
    /// that found none, each time it was read.
    pub untracked: u64,
    /// What each program cost; empty where the host does not count that.
    pub programs: Vec<ProgramRuns>,
}

/// What a program cost since it was loaded, on all interfaces together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramRuns {
    /// As the eBPF object calls it.
    pub name: String,
    pub number: u64,
    pub lasted: Duration,
}

impl Observer {
    /// How full it is and what it costs.
    pub fn usage(&self) -> Usage {
        let full = self.probes.as_ref().map_or(0, refused);
        Usage {
            flows: self.tracked(),
            capacity: u64::from(self.sources.flow_capacity.unwrap_or(FLOWS)),
            untracked: self.untracked + full,
            programs: self.probes.as_ref().map_or_else(Vec::new, runs),
        }
    }

    fn tracked(&self) -> Option<u64> {
        let Some(probes) = &self.probes else {
            // Nothing is watched, or nothing is there to watch it by.
            return self.watched.is_empty().then_some(0);
        };
        if self.standing.rung == Rung::Arrivals {
            return Some(probes.entered());
        }
        let now = clock::now();
        let tallies = self.watched.values().map(|watched| probes.tally(watched.watch));
        tallies.map(|tally| Some(lately(&tally.ok()?, now))).sum()
    }

    /// Takes everything out of the kernel. What found no room stays counted.
    pub(super) fn let_go(&mut self) {
        if let Some(probes) = self.probes.take() {
            self.untracked += refused(&probes);
            probes.close();
        }
    }
}

/// Packets whose flow the programs found no room for.
fn refused(probes: &Probes) -> u64 {
    probes.health().map_or(0, |health| health.full)
}

/// Flows of one server that moved as lately as any window reaches.
fn lately(tally: &Tally<u64>, now: Moment) -> u64 {
    let second = u32::try_from(now.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX);
    let classes = tally.rings.classes.iter();
    classes.map(|ring| ring.live(LONGEST_WINDOW, second)).sum()
}

/// What the programs cost that this process has loaded. Those that an earlier daemon left are held by their links alone,
/// and whoever is not root may not ask for a program by its number.
fn runs(probes: &Probes) -> Vec<ProgramRuns> {
    if !fs::read_to_string(IS_COUNTED).is_ok_and(|text| is_on(&text)) {
        return Vec::new();
    }
    let run = |(name, program): (&str, BorrowedFd<'_>)| {
        let (number, lasted) = bpf_calls::runs(program).ok()?;
        Some(ProgramRuns {
            name: name.to_owned(),
            number,
            lasted,
        })
    };
    probes.loaded().into_iter().filter_map(run).collect()
}

fn is_on(text: &str) -> bool {
    text.trim() != "0"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_of_each_class_count_until_no_window_reaches_them() {
        let mut tally = Tally::empty(1);
        tally.rings.classes[0].buckets[7] = (7 << 32) | 3;
        tally.rings.classes[2].buckets[9] = (9 << 32) | 4;
        let at = |secs| lately(&tally, Moment::from_secs(secs));
        assert_eq!((at(10), at(256), at(257), at(259)), (7, 7, 4, 0));
    }

    #[test]
    fn costs_are_counted_where_the_host_says_so() {
        assert!(is_on("1\n") && !is_on("0\n"));
    }
}
