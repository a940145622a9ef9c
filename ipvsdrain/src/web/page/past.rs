//! What moved in the last minutes, of each drain under way: live flows, and packets so far. Bounded, and pure but for
//! [`keep`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

use super::super::Shared;
use crate::drain::{Course, Flows, Record};
use crate::moment::Moment;

/// Five minutes of seconds.
pub(super) const KEPT: usize = 300;
/// Of how many drains: of more than anybody would look at side by side.
pub(super) const MOST_DRAINS: usize = 64;
const EVERY: Duration = Duration::from_secs(1);
/// A little less, for nobody keeps time exactly.
const AT_LEAST: Duration = Duration::from_millis(900);

/// What was seen of a drain at one moment, in the page's order; `None` is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Point(
    /// Seconds on the clock of [`Moment`].
    pub(super) f64,
    /// Live flows: UDP, open TCP, closing TCP.
    pub(super) Option<[u64; 3]>,
    /// Packets forwarded here so far.
    pub(super) Option<u64>,
    /// Packets so far that arrived, and that nobody forwarded.
    pub(super) Option<[u64; 2]>,
);

impl Point {
    fn of(record: &Record, at: Moment) -> Self {
        let seen = record.observed.flows.and_then(Flows::counted);
        let active = u64::from(record.observed.active);
        let arrivals = seen.and_then(|flows| flows.arrivals);
        Self(
            seconds(at),
            seen.map(|flows| [flows.udp, flows.tcp_open.max(active), flows.tcp_closing]),
            seen.map(|flows| flows.forwarded),
            arrivals.map(|arrivals| [arrivals.arrived, arrivals.lost]),
        )
    }
}

pub(super) fn seconds(at: Moment) -> f64 {
    at.since(Moment::default()).as_secs_f64()
}

#[derive(Debug, Default)]
struct Track {
    newest: Option<Moment>,
    points: VecDeque<Point>,
    /// How far it has come.
    course: Course,
}

/// By the number of the drain.
#[derive(Debug, Default)]
pub(super) struct Past(BTreeMap<u64, Track>);

impl Past {
    /// A point of each drain under way that was looked at again; what is over is forgotten.
    pub(super) fn see(&mut self, records: &[Record]) {
        let under_way = || records.iter().filter(|record| !record.is_over());
        self.0.retain(|id, _| under_way().any(|record| record.id == *id));
        for record in under_way() {
            let Some(at) = record.observed.at else { continue };
            if self.0.len() >= MOST_DRAINS && !self.0.contains_key(&record.id) {
                continue;
            }
            let track = self.0.entry(record.id).or_default();
            if track.newest.is_some_and(|newest| at.since(newest) < AT_LEAST) {
                continue;
            }
            let point = Point::of(record, at);
            track.newest = Some(at);
            track.course.see(record);
            track.points.push_back(point);
            if track.points.len() > KEPT {
                track.points.pop_front();
            }
        }
    }

    pub(super) fn newest(&self, id: u64) -> Option<Point> {
        self.0.get(&id)?.points.back().copied()
    }

    pub(super) fn course(&self, id: u64) -> Option<&Course> {
        Some(&self.0.get(&id)?.course)
    }

    /// All points, as the page reads them.
    pub(super) fn written(&self) -> String {
        let points = self.0.iter().map(|(id, track)| (id, &track.points));
        // Numbers and nothing else: they can always be written out.
        serde_json::to_string(&points.collect::<BTreeMap<_, _>>()).unwrap_or_default()
    }
}

/// Looks at what the supervisor shows without being asked. Never ends.
pub(super) async fn keep(shared: &Shared) {
    let mut drains = shared.handle.drains.clone();
    loop {
        let records = drains.borrow_and_update().clone();
        shared.page.past().see(&records);
        sleep(EVERY).await;
        if drains.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
