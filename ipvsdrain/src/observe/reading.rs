//! Counts become a reading: live flows per class within their quiet windows.

use std::time::Duration;

use ipvsdrain_ebpf::accounting::{Class, LONGEST_WINDOW};
use ipvsdrain_ebpf::layout::{Flow, FlowKey, Health, Tally};

use super::error::ObserveError;
use super::ladder::Rung;
use super::seed::SeedSummary;
use crate::moment::Moment;

/// For how long a silent flow still counts as live. At most [`QuietWindows::LONGEST`] each; parts of a second count
/// as a whole one, since the programs count by the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietWindows {
    pub udp: Duration,
    /// TCP that IPVS counts as active.
    pub tcp: Duration,
    /// TCP past FIN or RST.
    pub closing: Duration,
}

impl QuietWindows {
    /// The longest window that can be observed.
    pub const LONGEST: Duration = Duration::from_secs(LONGEST_WINDOW as u64);
}

/// What was seen of one real server, from the moment it was watched until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What the flows are seen by. On the rung of counters nothing below is known but `watched_since` and `seed`.
    pub rung: Rung,
    /// UDP flows, and those of protocols without states, forwarded or answered within their window.
    pub live_udp: u64,
    /// TCP flows in a state IPVS counts as active, and SCTP ones that are not shut down, seen within their window.
    pub live_tcp_open: u64,
    /// TCP flows past FIN or RST, and SCTP ones past SHUTDOWN or ABORT, seen within their window.
    pub live_tcp_closing: u64,
    /// Packets from clients, of tracked flows. Known on the rung of probes alone.
    pub forwarded: u64,
    /// Packets from the server that passed through IPVS (masquerade), of tracked flows. On the rung of probes alone.
    pub replied: u64,
    /// Flows whose connection began since the watch did. Known on the rung of probes alone.
    pub started: u64,
    /// What came in; or why that is not known.
    pub arrivals: Result<Arrivals, String>,
    /// The last packet in either direction; `None` if none was seen.
    pub last_packet: Option<Moment>,
    /// Packets whose flow found no room. Not zero: there are more live flows than this reading says.
    pub untracked: u64,
    /// Packets the programs could not make sense of, over all servers. Not zero: the reading proves nothing.
    pub mistaken: u64,
    /// Nothing before this moment was seen.
    pub watched_since: Moment,
    /// What the kernel's table held then; `None` if it could not be read.
    pub seed: Option<SeedSummary>,
}

/// Packets from clients of a server's tracked flows, counted where they come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrivals {
    pub arrived: u64,
    /// Forwarded to another server.
    pub elsewhere: u64,
    /// Flows that were handed to another server.
    pub moved: u64,
    /// Arrived and forwarded to nobody. `None` where nobody sees what is forwarded: on the rung of arrivals.
    pub lost: Option<u64>,
}

impl Reading {
    /// Nothing seen yet.
    pub(super) fn empty(rung: Rung, watched_since: Moment, seed: Option<SeedSummary>) -> Self {
        Self {
            rung,
            live_udp: 0,
            live_tcp_open: 0,
            live_tcp_closing: 0,
            forwarded: 0,
            replied: 0,
            started: 0,
            arrivals: Err("arrivals are not counted on this rung".to_owned()),
            last_packet: None,
            untracked: 0,
            mistaken: 0,
            watched_since,
            seed,
        }
    }

    /// Adds what arrived, if `witness` has nothing against it. Of the two `copies` of the tally the earlier one says
    /// what arrived, the later one what left: a packet between the two is under way, and not lost.
    #[must_use]
    pub(super) fn with_arrivals(mut self, witness: Result<(), String>, copies: &[Tally<u64>; 2]) -> Self {
        let [before, after] = copies;
        self.arrivals = witness.and_then(|()| whole(after)).map(|()| Arrivals {
            arrived: after.arrived,
            elsewhere: after.elsewhere,
            moved: after.flows_moved,
            lost: Some(before.arrived.saturating_sub(after.forwarded + after.elsewhere)),
        });
        self
    }
}

/// Every packet that was forwarded was seen to arrive. If not, what was lost is not known.
pub(super) fn whole(tally: &Tally<u64>) -> Result<(), String> {
    match tally.unwitnessed {
        0 => Ok(()),
        missed => Err(format!(
            "{missed} packets came in by an interface that is not looked at, or from this host itself"
        )),
    }
}

/// Counts live flows one by one, on the rung of arrivals.
#[derive(Debug)]
pub(super) struct ByArrival {
    windows: [u32; 3],
    now: Moment,
    live: [u64; 3],
    last_packet: Option<Moment>,
}

impl ByArrival {
    pub(super) fn new(windows: [u32; 3], now: Moment) -> Self {
        Self {
            windows,
            now,
            live: [0; 3],
            last_packet: None,
        }
    }

    /// One flow. A TCP flow's state is the one of the seed: what became of it since is not seen.
    pub(super) fn see(&mut self, key: &FlowKey, flow: &Flow<u64>) {
        let last = Moment::from_nanos(flow.last_seen);
        let class = Class::of(key.protocol, u16::try_from(flow.state).unwrap_or(u16::MAX)) as usize;
        if self.now.since(last) < Duration::from_secs(u64::from(self.windows[class])) {
            self.live[class] += 1;
        }
        if flow.arrived > 0 {
            self.last_packet = self.last_packet.max(Some(last));
        }
    }

    /// Fills an empty `reading` with what was counted.
    pub(super) fn finish(self, tally: &Tally<u64>, no_room: u64, mut reading: Reading) -> Reading {
        reading.live_udp = self.live[Class::Udp as usize];
        reading.live_tcp_open = self.live[Class::TcpOpen as usize];
        reading.live_tcp_closing = self.live[Class::TcpClosing as usize];
        reading.last_packet = self.last_packet;
        reading.untracked = no_room;
        reading.arrivals = Ok(Arrivals {
            arrived: tally.arrived,
            elsewhere: 0,
            moved: 0,
            lost: None,
        });
        reading
    }
}

/// The windows in whole seconds, by class.
pub(super) fn seconds(quiet: &QuietWindows) -> Result<[u32; 3], ObserveError> {
    let whole = |window: Duration| {
        let asked = window.as_secs() + u64::from(window.subsec_nanos() > 0);
        u32::try_from(asked)
            .ok()
            .filter(|asked| *asked <= LONGEST_WINDOW)
            .ok_or(ObserveError::WindowTooLong {
                asked,
                longest: u64::from(LONGEST_WINDOW),
            })
    };
    let mut by_class = [0; 3];
    by_class[Class::Udp as usize] = whole(quiet.udp)?;
    by_class[Class::TcpOpen as usize] = whole(quiet.tcp)?;
    by_class[Class::TcpClosing as usize] = whole(quiet.closing)?;
    Ok(by_class)
}

/// Reads `copies` of one tally, taken one after the other: a flow that moved to another second while one copy was
/// made may be missing from it, but not from the next. So the larger count is the right one.
pub(super) fn of(
    copies: &[Tally<u64>; 2],
    health: Health<u64>,
    windows: [u32; 3],
    now: Moment,
    empty: Reading,
) -> Reading {
    let second = u32::try_from(now.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX);
    let live = |class: Class| {
        let count =
            |tally: &Tally<u64>| tally.rings.classes[class as usize].live(windows[class as usize], second);
        copies.iter().map(count).max().unwrap_or(0)
    };
    let last = &copies[1];
    Reading {
        live_udp: live(Class::Udp),
        live_tcp_open: live(Class::TcpOpen),
        live_tcp_closing: live(Class::TcpClosing),
        forwarded: last.forwarded,
        replied: last.packets.saturating_sub(last.forwarded),
        started: last.flows_started,
        last_packet: (last.last_packet != 0).then(|| Moment::from_nanos(last.last_packet)),
        untracked: last.untracked,
        mistaken: health.mistaken + health.unreadable,
        ..empty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(seconds: u64) -> QuietWindows {
        let window = Duration::from_secs(seconds);
        QuietWindows {
            udp: window,
            tcp: window,
            closing: window,
        }
    }

    #[test]
    fn a_window_longer_than_the_ring_is_refused() {
        assert!(seconds(&windows(250)).is_ok());
        let said = seconds(&windows(251)).unwrap_err().to_string();
        assert!(said.contains("251 s") && said.contains("250 s"), "{said}");
    }

    #[test]
    fn a_part_of_a_second_counts_as_a_whole_one() {
        let quiet = QuietWindows {
            udp: Duration::from_millis(1500),
            ..windows(3)
        };
        assert_eq!(seconds(&quiet).unwrap(), [2, 3, 3]);
    }

    #[test]
    fn a_flow_that_moved_during_one_copy_is_live() {
        let mut copies = [Tally::empty(1); 2];
        copies[1].rings.classes[Class::Udp as usize].buckets[7] = (7 << 32) | 1;
        let reading = of(
            &copies,
            Health::default(),
            [5, 5, 5],
            Moment::from_secs(8),
            Reading::empty(Rung::Probes, Moment::from_secs(1), None),
        );
        assert_eq!(
            (reading.live_udp, reading.live_tcp_open, reading.last_packet),
            (1, 0, None)
        );
    }
}
