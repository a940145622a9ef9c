//! The traffic around a maintenance: DNS under load, senders with a fixed source port, long and short TCP.

use std::time::Duration;

use anyhow::{Result, bail};
use ipvsdrain::identity::Protocol;
use serde::Serialize;

use crate::dns;
use crate::ledger::Server;
use crate::traffic::{Replies, TcpConnection, Traffic, UdpFlow};
use crate::world::{Forwarding, Place, World};

pub(super) const FORWARDING: Forwarding = Forwarding::DirectRoute;
pub(super) const SERVERS: u16 = 3;
const SCHEDULER: &str = "rr";

const DNS_PORT: u16 = 53;
/// Two sockets of dnsperf per real server; each keeps its source port to the end.
const DNS_SOCKETS: u16 = 6;
const DNS_PER_SECOND: u32 = 12;

const SYSLOG_PORT: u16 = 514;
/// One fixed source port per real server, as a syslog or `NetFlow` sender has.
const FIXED_PORTS: [u16; 3] = [40_001, 40_002, 40_003];
const FIXED_EVERY: Duration = Duration::from_millis(250);

const TCP_PORT: u16 = 7000;
const LONG_CONNECTIONS: u16 = 6;
/// The long connections end by themselves this long after the traffic's start.
const LONG_LASTS: Duration = Duration::from_mins(1);
const LONG_EVERY: Duration = Duration::from_secs(1);
const SHORT_EVERY: Duration = Duration::from_secs(2);

/// Sent and lost, by kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Parts {
    pub dns_queries: Tally,
    pub datagrams: Tally,
    pub tcp_records: Tally,
}

/// Requests sent, and those of them that were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub sent: u64,
    pub lost: u64,
}

impl Parts {
    pub(super) fn sent(&self) -> u64 {
        self.dns_queries.sent + self.datagrams.sent + self.tcp_records.sent
    }

    pub(super) fn lost(&self) -> u64 {
        self.dns_queries.lost + self.datagrams.lost + self.tcp_records.lost
    }
}

/// All of it, running.
#[derive(Debug)]
pub(super) struct MaintenanceTraffic<'world> {
    datagrams: Traffic<'world>,
    connections: Traffic<'world>,
    load: dns::Load,
    _servers: dns::Servers,
    places: Vec<Place>,
}

impl<'world> MaintenanceTraffic<'world> {
    /// Starts everything and waits until `server1` serves every kind of it.
    pub(super) fn start(world: &'world World) -> Result<Self> {
        let servers = dns::Servers::start(world, DNS_PORT)?;
        let mut places = Vec::new();
        for (protocol, port) in [
            (Protocol::Udp, DNS_PORT),
            (Protocol::Udp, SYSLOG_PORT),
            (Protocol::Tcp, TCP_PORT),
        ] {
            places.push(balance(world, protocol, port)?);
        }

        let mut datagrams = Traffic::new(world);
        datagrams.receive_udp(SYSLOG_PORT, Replies::None)?;
        datagrams.send_udp(
            SYSLOG_PORT,
            Replies::None,
            FIXED_PORTS.map(|port| UdpFlow {
                starts: Duration::ZERO,
                lasts: None,
                every: FIXED_EVERY,
                source_port: Some(port),
            }),
        )?;
        let mut connections = Traffic::new(world);
        connections.receive_tcp(TCP_PORT)?;
        for _ in 0..LONG_CONNECTIONS {
            let long = TcpConnection {
                starts: Duration::ZERO,
                lasts: Some(LONG_LASTS),
                every: Some(LONG_EVERY),
            };
            connections.connect_tcp(TCP_PORT, long)?;
        }
        connections.connect_short_tcp(TCP_PORT, SHORT_EVERY)?;
        let load = dns::Load::start(world, DNS_PORT, DNS_SOCKETS, DNS_PER_SECOND)?;

        for traffic in [&datagrams, &connections] {
            let limit = Duration::from_secs(30);
            if !traffic
                .ledger()
                .wait_until(limit, |account| account.last_receipt(Server(1)).is_some())
            {
                bail!(
                    "server1 got none of the traffic within {limit:?}: {:?}",
                    world.director().table()?
                );
            }
        }
        Ok(Self {
            datagrams,
            connections,
            load,
            _servers: servers,
            places,
        })
    }

    /// Where `server1` is to be taken out.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    pub(super) fn finish(self) -> Result<Parts> {
        let dns = self.load.finish()?;
        let datagrams = self.datagrams.finish()?;
        let connections = self.connections.finish()?;
        Ok(Parts {
            dns_queries: Tally {
                sent: dns.sent,
                lost: dns.lost,
            },
            datagrams: Tally {
                sent: datagrams.sent() as u64,
                lost: datagrams.lost() as u64,
            },
            tcp_records: Tally {
                sent: connections.sent() as u64,
                lost: connections.lost() as u64,
            },
        })
    }
}

fn balance(world: &World, protocol: Protocol, port: u16) -> Result<Place> {
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(protocol, port, SCHEDULER, FORWARDING, addresses)?;
    Ok(world.place(service, Server(1), port))
}
