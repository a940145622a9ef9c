//! The second witness: the kernel's own packet counter of a real server, and whether it agrees with the observer.
//!
//! The counter is a snapshot that the kernel renews every 2 s (longer under load), so a packet may show up late, but
//! never early. [`LAG`] bounds that delay with a margin; every comparison of the two witnesses allows for it.
//!
//! Where flows cannot be counted there is no second eye to compare with: an observer that sees nothing then neither
//! contradicts the counter nor confirms it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::facts::Flows;
use crate::moment::Moment;

/// How late the kernel's counter may be: its 2 s period, and as much again, and the reader's own second.
pub(super) const LAG: Duration = Duration::from_secs(5);

/// How late it is as a rule: its period, and the reader's own second. Later than that, it is taken to have moved for a
/// packet that the observer did not see.
pub(super) const PERIOD: Duration = Duration::from_secs(3);

/// What is remembered of the counter between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// In both directions.
    pub packets: u64,
    /// When the counter was first seen at this value.
    pub still_since: Moment,
    pub sampled_at: Moment,
    /// The counter moved and the observer saw nothing, then.
    pub contradicted_at: Option<Moment>,
    /// The observer saw a packet, then, that the counter does not show yet.
    pub uncounted_since: Option<Moment>,
    /// When the kernel's table last had an open connection: something ended it since.
    #[serde(default)]
    pub active_at: Option<Moment>,
}

impl Witness {
    pub(super) fn first(packets: u64, now: Moment) -> Self {
        Self {
            packets,
            still_since: now,
            sampled_at: now,
            contradicted_at: None,
            uncounted_since: None,
            active_at: None,
        }
    }

    /// With what the table says about open connections.
    pub(super) fn with_active(self, active: u32, now: Moment) -> Self {
        Self {
            active_at: if active > 0 { Some(now) } else { self.active_at },
            ..self
        }
    }

    /// The witness after another sample. `flows` is what the observer counted at the same moment, if anything.
    pub(super) fn sample(self, packets: u64, flows: Option<&Flows>, now: Moment) -> Self {
        if packets == self.packets {
            // What an earlier watch saw went to a server that may have left the table since, its counter with it.
            let known = self
                .uncounted_since
                .filter(|packet| flows.is_none_or(|flows| *packet >= flows.watched_since));
            let uncounted = flows
                .and_then(|flows| flows.last_packet)
                .filter(|last| *last > self.still_since);
            return Self {
                sampled_at: now,
                uncounted_since: known.or(uncounted),
                ..self
            };
        }
        // The packets behind this change came after the previous sample, less the delay; the observer must
        // have seen one of them, if it was already watching by then.
        let earliest = Moment::from_nanos(
            self.sampled_at
                .as_nanos()
                .saturating_sub(u64::try_from(LAG.as_nanos()).unwrap_or(u64::MAX)),
        );
        let blind = flows.is_some_and(|flows| {
            flows.watched_since < earliest && flows.last_packet.is_none_or(|last| last < earliest)
        });
        Self {
            packets,
            still_since: now,
            sampled_at: now,
            contradicted_at: if blind { Some(now) } else { self.contradicted_at },
            uncounted_since: None,
            active_at: self.active_at,
        }
    }

    /// How long the counter has not moved, and no connection was open.
    pub(super) fn still_for(&self, now: Moment) -> Duration {
        now.since(self.still_since).min(self.closed_for(now))
    }

    fn closed_for(&self, now: Moment) -> Duration {
        self.active_at.map_or(Duration::MAX, |at| now.since(at))
    }

    /// How long both witnesses have been silent.
    ///
    /// Where the counter last moved within [`PERIOD`] of the last packet that the observer saw, it moved for that packet, and
    /// the silence began with it. Where it moved later, or the observer saw none, it began when the counter stood still.
    pub(super) fn agreed_silence(&self, flows: &Flows, now: Moment) -> Duration {
        let watched = now.since(flows.watched_since);
        let shown = flows
            .last_packet
            .filter(|last| self.still_since <= *last + PERIOD)
            .map(|last| now.since(last));
        watched
            .min(shown.unwrap_or_else(|| self.still_for(now)))
            .min(self.closed_for(now))
    }

    /// The observer sees packets that the counter does not: it stands still.
    pub(super) fn is_frozen(&self, now: Moment) -> bool {
        self.uncounted_since.is_some_and(|packet| now.since(packet) > LAG)
    }
}
