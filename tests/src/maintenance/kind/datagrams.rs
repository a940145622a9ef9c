//! Datagrams whose both ends are ours: syslog, NetFlow, and sessions as QUIC has them.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{Load, Said};
use crate::ledger::Flow;
use crate::traffic::{Replies, Traffic, UdpFlow, short_udp_flows};
use crate::world::World;

/// Half of them are each server's.
const FIXED_PORTS: [u16; 4] = [40_001, 40_002, 40_003, 40_004];
const SYSLOG_EVERY: Duration = Duration::from_millis(250);

const BURST_APART: Duration = Duration::from_secs(30);
const BURST_DATAGRAMS: u32 = 20;
const BURST_EVERY: Duration = Duration::from_millis(10);

const SESSION_APART: Duration = Duration::from_secs(5);
const SESSION_DATAGRAMS: u32 = 120;
const SESSION_EVERY: Duration = Duration::from_millis(500);

pub(super) fn syslog(world: &World, port: u16) -> Result<Records<'_>> {
    let flow = |port| UdpFlow {
        starts: Duration::ZERO,
        lasts: None,
        every: SYSLOG_EVERY,
        source_port: Some(port),
    };
    Records::start(world, port, Replies::None, FIXED_PORTS.map(flow))
}

pub(super) fn netflow(world: &World, port: u16) -> Result<Records<'_>> {
    let burst = |number: u32| {
        FIXED_PORTS.map(|port| UdpFlow {
            starts: BURST_APART * number,
            lasts: Some(BURST_EVERY * (BURST_DATAGRAMS - 1)),
            every: BURST_EVERY,
            source_port: Some(port),
        })
    };
    Records::start(world, port, Replies::None, (0..).flat_map(burst))
}

pub(super) fn quic(world: &World, port: u16) -> Result<Records<'_>> {
    let sessions = short_udp_flows(SESSION_APART, SESSION_DATAGRAMS, SESSION_EVERY);
    Records::start(world, port, Replies::Echo, sessions)
}

/// Flows of datagrams that both ends write down.
pub(super) struct Records<'world> {
    traffic: Traffic<'world>,
    replies: Replies,
}

impl<'world> Records<'world> {
    fn start(
        world: &'world World,
        port: u16,
        replies: Replies,
        flows: impl IntoIterator<Item = UdpFlow, IntoIter: Send + 'static>,
    ) -> Result<Self> {
        let mut traffic = Traffic::new(world);
        traffic.receive_udp(port, replies)?;
        traffic.send_udp(port, replies, flows)?;
        Ok(Self { traffic, replies })
    }
}

impl Load for Records<'_> {
    fn finish(self: Box<Self>) -> Result<Said> {
        let account = self.traffic.finish()?;
        let (unanswered, sessions) = match self.replies {
            Replies::None => (0, None),
            Replies::Echo | Replies::Late(_) => {
                let is_moved = |flow: &Flow| account.servings(*flow).len() > 1;
                let (count, moved) = (account.flows().count(), account.flows().filter(is_moved).count());
                (account.unanswered(), Some((count as u64, moved as u64)))
            }
        };
        let lost = account.lost();
        Ok(Said {
            broken: account.flows_in_trouble(self.replies != Replies::None) as u64,
            lost: Some(lost as u64),
            sessions,
            words: json!({"sent": account.sent(), "lost": lost, "unanswered": unanswered}),
        })
    }
}
