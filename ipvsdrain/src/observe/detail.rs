//! Single flows of one watched server, out of the map the programs fill.
//!
//! Owns picking the ones that moved last, in room for those alone: a map of a million flows is walked, not copied.

use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;

use ipvsdrain_ebpf::accounting::Class;
use ipvsdrain_ebpf::layout::{Flow, FlowKey};

use super::seed::SeedSummary;
use super::{state, watch};
use crate::moment::Moment;

/// How long a walk over the map may take. It asks the kernel twice per flow, over all watched servers.
pub(super) const BUDGET: Duration = Duration::from_millis(250);

/// One client's flow towards one watched server, as far as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowDetail {
    pub client: SocketAddr,
    /// Where the client sends to.
    pub virtual_addr: SocketAddr,
    /// IP protocol number.
    pub protocol: u16,
    pub class: Class,
    /// IPVS's name for the state of a TCP connection or an SCTP association; `None` for other protocols.
    pub tcp_state: Option<&'static str>,
    /// The first packet that was seen.
    pub first_seen: Moment,
    /// The last packet, in either direction.
    pub last_seen: Moment,
    /// Packets from the client that were seen.
    pub requests: u64,
    /// Packets from the server that passed through IPVS (masquerade).
    pub replies: u64,
    /// The kernel had counted packets of this connection before the first one that was seen: it is older than the
    /// watch. Not known of one-packet scheduling, where it is false.
    pub began_earlier: bool,
}

/// The flows of one server at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowDetails {
    /// The asked number of flows at most, those that moved last first.
    pub flows: Vec<FlowDetail>,
    /// How many there were to choose from.
    pub found: u64,
    /// All flows were looked at. If not, time ran out.
    pub complete: bool,
    /// Nothing before this moment was seen.
    pub watched_since: Moment,
    /// What the kernel's table held then; `None` if it could not be read.
    pub seed: Option<SeedSummary>,
    /// When the last flow was looked at.
    pub at: Moment,
}

impl FlowDetail {
    pub(super) fn of(key: &FlowKey, flow: &Flow<u64>) -> Self {
        let number = u16::try_from(flow.state).unwrap_or(u16::MAX);
        Self {
            client: watch::socket_addr(key.client_addr, key.client_port, key.family),
            virtual_addr: watch::socket_addr(key.virtual_addr, key.virtual_port, key.family),
            protocol: key.protocol,
            class: Class::of(key.protocol, number),
            tcp_state: state::name(key.protocol, number),
            first_seen: Moment::from_nanos(flow.first_seen),
            last_seen: Moment::from_nanos(flow.last_seen),
            requests: flow.requests,
            replies: flow.packets.saturating_sub(flow.requests),
            // IPVS counts requests in `in_pkts` from the connection's beginning on, the programs in `requests` from
            // the first they saw.
            began_earlier: flow.in_pkts > flow.requests,
        }
    }
}

/// The `limit` flows that were seen last, of as many as are shown to it.
#[derive(Debug)]
pub(super) struct Latest {
    limit: usize,
    found: u64,
    kept: BinaryHeap<Silent>,
}

impl Latest {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            found: 0,
            kept: BinaryHeap::new(),
        }
    }

    pub(super) fn see(&mut self, flow: FlowDetail) {
        self.found += 1;
        self.kept.push(Silent(flow));
        if self.kept.len() > self.limit {
            self.kept.pop();
        }
    }

    /// The flows, those that moved last first, and how many were seen in all.
    pub(super) fn finish(self) -> (Vec<FlowDetail>, u64) {
        let flows = self.kept.into_sorted_vec().into_iter().map(|silent| silent.0);
        (flows.collect(), self.found)
    }
}

/// In the order of silence: the longest silent flow is the greatest. Names decide between equals.
#[derive(Debug, PartialEq, Eq)]
struct Silent(FlowDetail);

impl Ord for Silent {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let name = |flow: &FlowDetail| (flow.client, flow.virtual_addr, flow.protocol);
        let by_silence = other.0.last_seen.cmp(&self.0.last_seen);
        by_silence.then_with(|| name(&self.0).cmp(&name(&other.0)))
    }
}

impl PartialOrd for Silent {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client_port: u16, protocol: u16) -> FlowKey {
        FlowKey {
            client_addr: [u32::from_ne_bytes([10, 9, 0, 2]), 0, 0, 0],
            virtual_addr: [u32::from_ne_bytes([10, 0, 0, 1]), 0, 0, 0],
            client_port: client_port.to_be(),
            virtual_port: 53_u16.to_be(),
            protocol,
            family: 2,
        }
    }

    fn flow(last_seen: u64) -> Flow<u64> {
        Flow {
            first_seen: 5,
            last_seen,
            packets: 7,
            requests: 4,
            in_pkts: 4,
            state: 1,
            ..Flow::default()
        }
    }

    #[test]
    fn a_flow_is_told_as_the_programs_keep_it() {
        let tcp = FlowDetail::of(&key(40_000, 6), &flow(9));
        assert_eq!(tcp.client, "10.9.0.2:40000".parse().unwrap());
        assert_eq!(tcp.virtual_addr, "10.0.0.1:53".parse().unwrap());
        assert_eq!((tcp.class, tcp.tcp_state), (Class::TcpOpen, Some("ESTABLISHED")));
        assert_eq!((tcp.requests, tcp.replies, tcp.began_earlier), (4, 3, false));
        let udp = FlowDetail::of(&key(40_000, 17), &flow(9));
        assert_eq!((udp.class, udp.tcp_state), (Class::Udp, None));
        let sctp = FlowDetail::of(&key(40_000, 132), &Flow { state: 13, ..flow(9) });
        assert_eq!((sctp.class, sctp.tcp_state), (Class::TcpClosing, Some("CLOSED")));
        let older = Flow {
            in_pkts: 5,
            ..flow(9)
        };
        assert!(FlowDetail::of(&key(40_000, 17), &older).began_earlier);
    }

    #[test]
    fn the_latest_are_kept_in_order_and_the_rest_is_counted() {
        let pick = |limit| {
            let mut latest = Latest::new(limit);
            for (port, last_seen) in [(1, 50), (2, 90), (3, 10), (4, 90), (5, 70)] {
                latest.see(FlowDetail::of(&key(port, 17), &flow(last_seen)));
                assert!(latest.kept.len() <= limit);
            }
            let (flows, found) = latest.finish();
            let ports: Vec<u16> = flows.iter().map(|flow| flow.client.port()).collect();
            (ports, found)
        };
        assert_eq!(pick(3), (vec![2, 4, 5], 5));
        assert_eq!(pick(9), (vec![2, 4, 5, 1, 3], 5));
        assert_eq!(pick(0), (vec![], 5));
    }
}
