//! The weights of every real server over time, read from the kernel's own table, apart from the daemon.
//!
//! Owns the thread that looks, ten times a second. What changed twice between two looks is seen as one change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use ipvsdrain::identity::VirtualService;
use ipvsdrain::moment::Moment;

use crate::clock;
use crate::traffic::Worker;
use crate::world::{Machine, Place, read_table};

const EVERY: Duration = Duration::from_millis(100);

/// The servers and their weights, when they were first seen so.
#[derive(Debug, Clone)]
struct Look {
    at: Moment,
    /// When they were last seen otherwise: the change came after it.
    after: Moment,
    weights: Vec<(Place, i32)>,
}

/// Looks until it is dropped.
#[derive(Debug)]
pub(super) struct Witness {
    history: Arc<Mutex<Vec<Look>>>,
    _worker: Worker,
}

impl Witness {
    pub(super) fn start(director: &Machine) -> Result<Self> {
        let history: Arc<Mutex<Vec<Look>>> = Arc::default();
        let written = Arc::clone(&history);
        let worker = Worker::start("witness of the table", director, move |stop| {
            let mut next = clock::now();
            let mut after = next;
            while !stop.wait_until(next)? {
                let text = std::fs::read_to_string("/proc/thread-self/net/ip_vs")
                    .context("cannot read the table")?;
                let now = clock::now();
                let rows = read_table(&text);
                let weights: Vec<_> = rows.iter().map(|row| (row.place, row.weight)).collect();
                let mut history = lock(&written);
                if history.last().is_none_or(|last| last.weights != weights) {
                    history.push(Look {
                        at: now,
                        after,
                        weights,
                    });
                }
                after = now;
                next = now + EVERY;
            }
            Ok(())
        })?;
        Ok(Self {
            history,
            _worker: worker,
        })
    }

    /// Its weight at the newest look; None if it was not in the table.
    pub(super) fn newest(&self, place: Place) -> Option<i32> {
        lock(&self.history).last().and_then(|look| weight(look, place))
    }

    /// Its weights in their order, `-` while it is not in the table: `1 0 -`.
    pub(super) fn weights(&self, place: Place) -> String {
        self.weights_since(place, Moment::from_nanos(0))
    }

    /// Its weights from the one it had at `since`.
    pub(super) fn weights_since(&self, place: Place, since: Moment) -> String {
        let history = lock(&self.history);
        let later = history.iter().position(|look| look.at > since);
        let first = later.unwrap_or(history.len()).saturating_sub(1);
        let mut words: Vec<String> = Vec::new();
        for look in history.iter().skip(first) {
            let word = weight(look, place).map_or("-".to_owned(), |weight| weight.to_string());
            if words.last() != Some(&word) {
                words.push(word);
            }
        }
        words.join(" ")
    }

    /// When it went for good: after the first of these, and no later than the second.
    pub(super) fn gone(&self, place: Place) -> Option<(Moment, Moment)> {
        let history = lock(&self.history);
        let last_there = history.iter().rposition(|look| weight(look, place).is_some())?;
        history.get(last_there + 1).map(|look| (look.after, look.at))
    }

    /// The fewest servers of a service that had a weight at once.
    pub(super) fn fewest_in_service(&self, service: VirtualService) -> usize {
        let in_service = |look: &Look| {
            let weights = look.weights.iter();
            weights
                .filter(|(place, weight)| place.service == service && *weight > 0)
                .count()
        };
        lock(&self.history).iter().map(in_service).min().unwrap_or(0)
    }

    /// When its weight was first seen to be 0.
    pub(super) fn quiesced_at(&self, place: Place) -> Option<Moment> {
        let history = lock(&self.history);
        let look = history.iter().find(|look| weight(look, place) == Some(0));
        look.map(|look| look.at)
    }
}

fn weight(look: &Look, place: Place) -> Option<i32> {
    look.weights
        .iter()
        .find(|(other, _)| *other == place)
        .map(|(_, weight)| *weight)
}

fn lock(history: &Mutex<Vec<Look>>) -> MutexGuard<'_, Vec<Look>> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}
