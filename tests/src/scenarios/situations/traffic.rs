//! The traffic of the rows: light, and told apart by how it ends.

use std::time::Duration;

use anyhow::Result;

use super::setting::{Case, PORT};
use crate::clock;
use crate::traffic::{Replies, TcpConnection, UdpFlow, short_udp_flows};

/// How long a row's traffic runs before the drain begins.
pub(super) const BEFORE: Duration = Duration::from_secs(3);
/// After the start of the traffic: 5 s into the drain.
pub(super) const LAST: Duration = Duration::from_secs(8);
const EVERY: Duration = Duration::from_millis(500);

impl Case<'_> {
    /// Two flows per server that end `last` after now, and short ones all the time, each from a port of its own.
    pub(super) fn send_udp(&mut self, last: Duration, replies: Replies) -> Result<()> {
        self.traffic.receive_udp(PORT, replies)?;
        let flows = self.world.servers().count() * 2;
        let long = std::iter::repeat_n(flow(Some(last), None), flows).collect::<Vec<_>>();
        self.traffic.send_udp(PORT, replies, long)?;
        self.send_new_udp(EVERY, replies)?;
        clock::pass(BEFORE);
        Ok(())
    }

    /// New flows of two datagrams, one begun every `apart`.
    pub(super) fn send_new_udp(&mut self, apart: Duration, replies: Replies) -> Result<()> {
        let short = short_udp_flows(apart, 2, Duration::from_millis(100));
        self.traffic.send_udp(PORT, replies, short)
    }

    /// Two flows per server that end `last` after now, and nothing else.
    pub(super) fn send_udp_ending(&mut self, last: Duration) -> Result<()> {
        self.traffic.receive_udp(PORT, Replies::Echo)?;
        let flows = self.world.servers().count() * 2;
        let long = std::iter::repeat_n(flow(Some(last), None), flows).collect::<Vec<_>>();
        self.traffic.send_udp(PORT, Replies::Echo, long)?;
        clock::pass(BEFORE);
        Ok(())
    }

    /// Eight flows per server with a fixed source port, which never end. So many, because what may go wrong as one moves
    /// depends on where the kernel happens to put its new entry.
    pub(super) fn send_pinned_udp(&mut self, replies: Replies) -> Result<()> {
        self.traffic.receive_udp(PORT, replies)?;
        let flows = (40_000..).take(self.world.servers().count() * 8);
        let pinned: Vec<UdpFlow> = flows.map(|port| flow(None, Some(port))).collect();
        self.traffic.send_udp(PORT, replies, pinned)?;
        clock::pass(BEFORE);
        Ok(())
    }

    /// Two connections per server that are closed `last` after now, and short ones all the time.
    pub(super) fn connect_tcp(&mut self, last: Duration, every: Option<Duration>) -> Result<()> {
        self.traffic.receive_tcp(PORT)?;
        for _ in 0..self.world.servers().count() * 2 {
            let connection = TcpConnection {
                starts: Duration::ZERO,
                lasts: Some(last),
                every,
            };
            self.traffic.connect_tcp(PORT, connection)?;
        }
        self.traffic.connect_short_tcp(PORT, Duration::from_secs(1))?;
        clock::pass(BEFORE);
        Ok(())
    }
}

fn flow(lasts: Option<Duration>, source_port: Option<u16>) -> UdpFlow {
    UdpFlow {
        starts: Duration::ZERO,
        lasts,
        every: EVERY,
        source_port,
    }
}
