//! What a restarted daemon may still conclude from the kernel's counter of packets.
//!
//! The counter tells how many there were and not when, so while nobody read it, it proves no silence. But the observer
//! counted on, if its watch outlived the daemon. If both counted as many packets since, the observer missed none, and
//! the counter has been still since the last one that the observer saw.

use serde::{Deserialize, Serialize};

use super::evidence::{LAG, Witness};
use super::facts::{Flows, Rung};
use crate::moment::Moment;

/// By how much the kernel's counter is ahead of the observer's: the packets from before the watch, and any that the
/// observer missed.
///
/// The counter is late, so what one sample shows is at most the truth, and the largest of all samples comes nearest. It
/// can only err towards less, and then the counts will not be found to agree: that costs a quiet window and is never wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// Which watch counted.
    watched_since: Moment,
    /// Negative while the counter lags behind a watch that began with the first packet.
    packets: i64,
}

impl Ahead {
    /// After another sample of both: of the counter first.
    pub(super) fn sample(before: Option<Self>, packets: u64, flows: &Flows) -> Option<Self> {
        if flows.rung != Rung::Probes {
            return before;
        }
        let now = Self::between(packets, flows);
        match before {
            Some(before) if before.watched_since == now.watched_since && before.packets > now.packets => {
                Some(before)
            }
            _ => Some(now),
        }
    }

    fn between(packets: u64, flows: &Flows) -> Self {
        Self {
            watched_since: flows.watched_since,
            packets: packets.cast_signed().wrapping_sub(flows.packets.cast_signed()),
        }
    }
}

/// The first sample of the counter in this process.
pub(super) fn resume(ahead: Option<Ahead>, packets: u64, flows: Option<&Flows>, now: Moment) -> Witness {
    let first = Witness::first(packets, now);
    let Some(flows) = flows.filter(|flows| flows.rung == Rung::Probes) else {
        return first;
    };
    let last = flows.last_packet.unwrap_or(flows.watched_since);
    // By then the counter shows that packet, and would have shown another one.
    if last + LAG < now && ahead == Some(Ahead::between(packets, flows)) {
        Witness {
            still_since: last,
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

    /// The counter stood at 500 when the watch began, and once showed all of the 20 packets that followed.
    fn ahead() -> Option<Ahead> {
        let late = Ahead::sample(None, 503, &seen(9, 3));
        let exact = Ahead::sample(late, 520, &seen(20, 5));
        Ahead::sample(exact, 525, &seen(30, 8))
    }

    #[test]
    fn where_both_counted_the_same_the_silence_began_with_the_last_packet() {
        let still_since =
            |packets, flows: &Flows, now| resume(ahead(), packets, Some(flows), now).still_since;
        assert_eq!(still_since(600, &seen(100, 20), at(40)), at(20));
        // Not yet: the counter may be late.
        assert_eq!(still_since(600, &seen(100, 20), at(24)), at(24));
        // One packet that the observer did not see, and one that the counter does not show.
        assert_eq!(still_since(601, &seen(100, 20), at(40)), at(40));
        assert_eq!(still_since(599, &seen(100, 20), at(40)), at(40));
    }

    #[test]
    fn a_watch_that_began_anew_proves_nothing_of_before() {
        let anew = Flows {
            watched_since: at(30),
            ..seen(100, 31)
        };
        assert_eq!(resume(ahead(), 600, Some(&anew), at(40)).still_since, at(40));
        assert_eq!(resume(ahead(), 600, None, at(40)).still_since, at(40));
        assert_eq!(
            resume(None, 600, Some(&seen(100, 20)), at(40)).still_since,
            at(40)
        );
        let by_arrival = Flows {
            rung: Rung::Arrivals,
            ..seen(100, 20)
        };
        assert_eq!(
            resume(ahead(), 600, Some(&by_arrival), at(40)).still_since,
            at(40)
        );
        assert_eq!(Ahead::sample(ahead(), 999, &by_arrival), ahead());
    }

    #[test]
    fn what_the_observer_missed_before_the_restart_is_not_taken_for_what_it_missed_after() {
        // Two missed at first, as the counter shows in the end.
        let missed = Ahead::sample(ahead(), 532, &seen(30, 9));
        assert_eq!(
            resume(missed, 602, Some(&seen(100, 20)), at(40)).still_since,
            at(20)
        );
        assert_eq!(
            resume(missed, 600, Some(&seen(100, 20)), at(40)).still_since,
            at(40)
        );
        assert_eq!(
            resume(missed, 603, Some(&seen(100, 20)), at(40)).still_since,
            at(40)
        );
    }
}
