//! What is compared: the same numbers from the observer, and from the ledger and the real server's own kernel.

use anyhow::{Context, Result, anyhow};
use ipvsdrain::observe::Reading;
use serde::Serialize;

use crate::world::Machine;

/// One server's traffic, from the start of a cell to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Counts {
    /// Packets from clients.
    pub(super) forwarded: u64,
    /// Packets from the server that crossed the director.
    pub(super) replied: u64,
    /// Packets from clients of this server's flows that came in.
    pub(super) arrived: u64,
    /// Those of them that another server got.
    pub(super) elsewhere: u64,
    /// Those of them that no server got.
    pub(super) lost: u64,
    /// While the traffic is on.
    pub(super) live_udp: u64,
    /// While the traffic is on.
    pub(super) live_tcp_open: u64,
    /// Once the clients have closed, within the quiet window.
    pub(super) live_tcp_closing: u64,
    /// Of any class, once the quiet window is over.
    pub(super) live_after: u64,
    /// Packets the observer could not follow.
    pub(super) not_followed: u64,
}

impl Counts {
    /// What the observer read on, after and well after the traffic, and at last, after the removal.
    pub(super) fn seen(on: &Reading, after: &Reading, well_after: &Reading, last: &Reading) -> Result<Self> {
        let arrivals = last
            .arrivals
            .clone()
            .map_err(|why| anyhow!("arrivals are not counted: {why}"))?;
        Ok(Self {
            arrived: arrivals.arrived,
            elsewhere: arrivals.elsewhere,
            lost: arrivals.lost.context("what is lost is not counted")?,
            forwarded: well_after.forwarded,
            replied: well_after.replied,
            live_udp: on.live_udp,
            live_tcp_open: on.live_tcp_open,
            live_tcp_closing: after.live_tcp_closing,
            live_after: well_after.live_udp + well_after.live_tcp_open + well_after.live_tcp_closing,
            not_followed: well_after.mistaken + well_after.untracked,
        })
    }
}

/// TCP segments that a machine's own kernel has received and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segments {
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Segments {
    pub(super) fn of(machine: &Machine) -> Result<Self> {
        read(&machine.read("/proc/thread-self/net/snmp")?)
            .with_context(|| format!("cannot read the TCP counters of namespace {}", machine.name()))
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            received: self.received - before.received,
            sent: self.sent - before.sent,
        }
    }
}

/// A line of names, then a line of numbers.
fn read(snmp: &str) -> Option<Segments> {
    let mut lines = snmp.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let of = |name: &str| {
        let place = names.split(' ').position(|word| word == name)?;
        numbers.split(' ').nth(place)?.parse().ok()
    };
    Some(Segments {
        received: of("InSegs")?,
        sent: of("OutSegs")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_by_name() {
        let text = "Ip: Forwarding\nIp: 1\nTcp: ActiveOpens InSegs OutSegs\nTcp: 3 12 -1\nTcpX: 1\n";
        assert_eq!(read(text), None);
        let text = text.replace("-1", "9");
        assert_eq!(
            read(&text),
            Some(Segments {
                received: 12,
                sent: 9
            })
        );
    }
}
