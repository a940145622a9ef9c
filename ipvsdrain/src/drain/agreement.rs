//! What a restarted daemon may still conclude from the kernel's counter of packets.
//!
//! The counter tells how many there were and not when, so while nobody read it, it proves no silence. But the observer
//! counted on, if its watch outlived the daemon. If both counted as many packets since, the observer missed none, and
//! the counter has been still since the last one that the observer saw.

use serde::{Deserialize, Serialize};

use super::evidence::{LAG, PERIOD, Witness};
use super::facts::{Flows, Rung};
use crate::moment::Moment;

/// By how much the kernel's counter is ahead of the observer's: the packets from before the watch, and any that the
/// observer missed.
///
/// The counter is late, so what one sample shows is at most the truth, and the largest of all samples comes nearest. What the
/// observer misses makes the truth larger. So if a counter that has caught up shows no more than was sampled before, nothing
/// was missed in between; if the samples were all too small, it shows more, and nothing is concluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// Which watch counted.
    watched_since: Moment,
    /// Negative while the counter lags behind a watch that began with the first packet.
    packets: i64,
    /// Since when it is that much: if that was long after a packet that the observer saw, it was one that it missed.
    #[serde(default)]
    since: Moment,
    /// The kernel's table had an open connection in the last sample.
    #[serde(default)]
    active: bool,
}

impl Ahead {
    /// After another sample of both: of the counter first.
    pub(super) fn sample(
        before: Option<Self>,
        packets: u64,
        flows: &Flows,
        active: u32,
        now: Moment,
    ) -> Option<Self> {
        if flows.rung != Rung::Probes {
            return before;
        }
        let between = Self::between(packets, flows);
        let active = active > 0;
        let caught_up = flows.last_packet.unwrap_or(flows.watched_since) + LAG < now;
        match before {
            Some(before)
                if !caught_up && before.watched_since == flows.watched_since && before.packets >= between =>
            {
                Some(Self { active, ..before })
            }
            _ => Some(Self {
                watched_since: flows.watched_since,
                packets: between,
                since: before
                    .filter(|before| before.watched_since == flows.watched_since && before.packets == between)
                    .map_or(now, |before| before.since),
                active,
            }),
        }
    }

    /// Do both still count the same, and did nothing end unseen?
    fn stands(&self, packets: u64, flows: &Flows, active: u32) -> bool {
        let ended = self.active && active == 0;
        !ended && self.watched_since == flows.watched_since && self.packets == Self::between(packets, flows)
    }

    fn between(packets: u64, flows: &Flows) -> i64 {
        packets.cast_signed().wrapping_sub(flows.packets.cast_signed())
    }
}

/// The first sample of the counter in this process.
pub(super) fn resume(
    ahead: Option<Ahead>,
    packets: u64,
    flows: Option<&Flows>,
    active: u32,
    now: Moment,
) -> Witness {
    let first = Witness::first(packets, now);
    let Some(flows) = flows.filter(|flows| flows.rung == Rung::Probes) else {
        return first;
    };
    let last = flows.last_packet.unwrap_or(flows.watched_since);
    // By then the counter shows that packet, and would have shown another one.
    let stands = ahead.filter(|ahead| ahead.stands(packets, flows, active));
    if let Some(ahead) = stands.filter(|_| last + LAG < now) {
        Witness {
            still_since: if ahead.since > last + PERIOD {
                ahead.since
            } else {
                last
            },
            ..first
        }
    } else {
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Moment {
        Moment::from_secs(1000 + second)
    }

    /// Watched from second 0 on.
    fn seen(packets: u64, last: u64) -> Flows {
        Flows {
            udp: 0,
            tcp_open: 0,
            tcp_closing: 0,
            forwarded: packets,
            packets,
            started: 0,
            last_packet: Some(at(last)),
            watched_since: at(0),
            rung: Rung::Probes,
            arrivals: None,
        }
    }

    fn sampled(before: Option<Ahead>, packets: u64, flows: &Flows, now: u64) -> Option<Ahead> {
        Ahead::sample(before, packets, flows, 0, at(now))
    }

    fn resumed(ahead: Option<Ahead>, packets: u64, flows: Option<&Flows>, now: u64) -> Moment {
        resume(ahead, packets, flows, 0, at(now)).still_since
    }

    /// The counter stood at 500 when the watch began, and had caught up in the second of three samples.
    fn ahead() -> Option<Ahead> {
        let late = sampled(None, 503, &seen(9, 3), 4);
        let exact = sampled(late, 520, &seen(20, 5), 11);
        sampled(exact, 525, &seen(30, 12), 13)
    }

    #[test]
    fn where_no_sample_came_near_enough_nothing_is_concluded() {
        // One packet was not shown yet.
        let late = sampled(None, 519, &seen(20, 5), 6);
        for (missed, packets) in [(0, 600), (1, 601), (2, 602)] {
            let flows = seen(100, 20);
            assert_eq!(
                resumed(late, packets, Some(&flows), 40),
                at(40),
                "{missed} missed"
            );
        }
    }

    #[test]
    fn under_traffic_without_a_pause_the_largest_sample_counts() {
        let samples = [(519, 20), (522, 22), (523, 24)];
        let steady = samples.into_iter().fold(None, |before, (packets, seen_packets)| {
            sampled(
                before,
                packets,
                &seen(seen_packets, seen_packets / 2),
                seen_packets / 2 + 1,
            )
        });
        assert_eq!(resumed(steady, 600, Some(&seen(100, 20)), 40), at(20));
        assert_eq!(
            resumed(steady, 601, Some(&seen(100, 20)), 40),
            at(40),
            "one was missed"
        );
    }

    #[test]
    fn a_connection_that_ended_unseen_is_a_packet_that_was_missed() {
        let early = Ahead::sample(None, 520, &seen(20, 5), 1, at(6));
        let open = Ahead::sample(early, 520, &seen(20, 5), 1, at(11));
        let resumed = |active| resume(open, 520, Some(&seen(20, 5)), active, at(40)).still_since;
        assert_eq!((resumed(1), resumed(0)), (at(5), at(40)));
    }

    #[test]
    fn where_both_counted_the_same_the_silence_began_with_the_last_packet() {
        let still_since = |packets, flows: &Flows, now| resumed(ahead(), packets, Some(flows), now);
        assert_eq!(still_since(600, &seen(100, 20), 40), at(20));
        // Not yet: the counter may be late.
        assert_eq!(still_since(600, &seen(100, 20), 24), at(24));
        // One packet that the observer did not see, and one that the counter does not show.
        assert_eq!(still_since(601, &seen(100, 20), 40), at(40));
        assert_eq!(still_since(599, &seen(100, 20), 40), at(40));
    }

    #[test]
    fn a_watch_that_began_anew_proves_nothing_of_before() {
        let anew = Flows {
            watched_since: at(30),
            ..seen(100, 31)
        };
        assert_eq!(resumed(ahead(), 600, Some(&anew), 40), at(40));
        assert_eq!(resumed(ahead(), 600, None, 40), at(40));
        assert_eq!(resumed(None, 600, Some(&seen(100, 20)), 40), at(40));
        let by_arrival = Flows {
            rung: Rung::Arrivals,
            ..seen(100, 20)
        };
        assert_eq!(resumed(ahead(), 600, Some(&by_arrival), 40), at(40));
        assert_eq!(sampled(ahead(), 999, &by_arrival, 40), ahead());
    }

    #[test]
    fn what_the_observer_missed_before_the_restart_is_not_taken_for_what_it_missed_after() {
        // Two missed at first, as the counter shows in the end.
        let missed = sampled(ahead(), 532, &seen(30, 9), 15);
        assert_eq!(resumed(missed, 602, Some(&seen(100, 20)), 40), at(20));
        assert_eq!(resumed(missed, 600, Some(&seen(100, 20)), 40), at(40));
        assert_eq!(resumed(missed, 603, Some(&seen(100, 20)), 40), at(40));
    }
}
