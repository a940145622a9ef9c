//! When which check of which server is due, and who is tried at once because another one failed. Pure: neither a clock nor a
//! source of random numbers is read here.
//!
//! A server that fails alone is broken; if nobody passes any more, the check may be. So a failure asks for *witnesses*: the
//! servers of the same service that count as up are tried at once, unless they are being tried or were since the failed try
//! began. It does so for the first `fall` failures in a row, on which somebody decides; what goes on failing after that
//! disturbs nobody. A server that does not count as up is no witness, and is never tried out of turn: `rise` and `fall`
//! stand for time as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::job::Job;
use super::wanted::{Key, Wanted};
use crate::health::Outcome;
use crate::moment::Moment;

#[derive(Debug, Default)]
pub(super) struct Schedule {
    loops: BTreeMap<Key, Loop>,
    /// Those that are not being tried, by when they are due.
    queue: BTreeSet<(Moment, Key)>,
    runs: u64,
}

/// One server, tried again and again.
#[derive(Debug)]
struct Loop {
    job: Arc<Job>,
    state: Turn,
    /// When its last result came.
    last: Option<Moment>,
    passes: u32,
    failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Due(Moment),
    /// Being tried, by this run.
    Now(u64),
}

/// One try that is to be made now.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) number: u64,
    pub(super) key: Key,
    pub(super) job: Arc<Job>,
}

/// When a try of this check ended, and how.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) run: Run,
    /// For how long it waited for its turn.
    pub(super) waited: Duration,
    pub(super) began: Moment,
    pub(super) at: Moment,
    pub(super) outcome: Outcome,
}

impl Schedule {
    /// Begins and ends loops until they are what is wanted. One whose check has not changed goes on. Returns the runs that
    /// are to be ended.
    pub(super) fn want(&mut self, wanted: &Wanted, now: Moment, mut random: impl FnMut() -> u32) -> Vec<u64> {
        let is_gone =
            |key: &Key, known: &Loop| wanted.get(key).is_none_or(|job| job.check != known.job.check);
        let mut ended = Vec::new();
        for (key, gone) in self.loops.extract_if(.., |key, known| is_gone(key, known)) {
            match gone.state {
                Turn::Now(run) => ended.push(run),
                Turn::Due(due) => drop(self.queue.remove(&(due, key))),
            }
        }
        for (key, job) in wanted {
            if !self.loops.contains_key(key) {
                let due = first(now, job, random());
                let begun = Loop {
                    job: job.clone(),
                    state: Turn::Due(due),
                    last: None,
                    passes: 0,
                    failures: 0,
                };
                self.loops.insert(key.clone(), begun);
                self.queue.insert((due, key.clone()));
            }
        }
        ended
    }

    /// What is to be tried now. Each is being tried from here on.
    pub(super) fn due(&mut self, now: Moment) -> Vec<Run> {
        let mut runs = Vec::new();
        while self.next().is_some_and(|due| due <= now)
            && let Some((_, key)) = self.queue.pop_first()
        {
            self.runs += 1;
            let number = self.runs;
            if let Some(found) = self.loops.get_mut(&key) {
                found.state = Turn::Now(number);
                let job = found.job.clone();
                runs.push(Run { number, key, job });
            }
        }
        runs
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Moment> {
        self.queue.first().map(|(due, _)| *due)
    }

    /// Takes a result. `false`: it is of a loop that has ended meanwhile.
    pub(super) fn ended(&mut self, ended: &Ended, random: u32) -> bool {
        let key = &ended.run.key;
        let Some(found) = self.loops.get_mut(key) else {
            return false;
        };
        if found.state != Turn::Now(ended.run.number) {
            return false;
        }
        let due = next(ended.began, &found.job, random).max(ended.at);
        found.state = Turn::Due(due);
        found.last = Some(ended.at);
        (found.passes, found.failures) = match ended.outcome {
            Outcome::Passed => (found.passes.saturating_add(1), 0),
            Outcome::Failed(_) => (0, found.failures.saturating_add(1)),
            Outcome::NoResult(_) | Outcome::Withdrawn => (found.passes, found.failures),
        };
        let is_awaited =
            matches!(ended.outcome, Outcome::Failed(_)) && found.failures <= found.job.check.fall;
        self.queue.insert((due, key.clone()));
        if is_awaited {
            self.call_witnesses(key, ended.began, ended.at);
        }
        true
    }

    fn call_witnesses(&mut self, failed: &Key, since: Moment, now: Moment) {
        let of_this_service = |key: &Key| key.source == failed.source && key.service == failed.service;
        let from = Key {
            server: LEAST_SERVER,
            ..failed.clone()
        };
        let servers = self.loops.range_mut(from..);
        for (key, witness) in servers.take_while(|(key, _)| of_this_service(key)) {
            let counts_as_up = witness.last.is_none() || witness.passes >= witness.job.check.rise;
            let knows = witness.last.is_some_and(|last| last >= since);
            if let Turn::Due(due) = witness.state
                && counts_as_up
                && !knows
                && due > now
            {
                self.queue.remove(&(due, key.clone()));
                self.queue.insert((now, key.clone()));
                witness.state = Turn::Due(now);
            }
        }
    }
}

/// No server comes before it.
const LEAST_SERVER: crate::identity::RealServer = crate::identity::RealServer(std::net::SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    0,
));

/// The first try of a server: anywhere in the first interval, so that not all are tried at once.
fn first(now: Moment, job: &Job, random: u32) -> Moment {
    now + Duration::from_millis(u64::from(random % job.check.interval_ms.max(1)))
}

/// The next try: an interval after the last one began, and a little more or less.
fn next(began: Moment, job: &Job, random: u32) -> Moment {
    let interval = u64::from(job.check.interval_ms);
    let most = interval * u64::from(job.check.jitter_percent) / 100;
    let offset = u64::from(random) % (2 * most + 1);
    began + Duration::from_millis(interval - most + offset)
}
