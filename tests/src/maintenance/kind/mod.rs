//! The kinds of traffic that a maintenance is measured under: real programs where Debian has them, else records that
//! each end writes down.
//!
//! Owns what each kind is. How it fared is told by the wire; what a program says of itself goes along as it says it.

mod datagrams;
mod dns;
mod streams;
mod web;

use std::time::Duration;

use anyhow::{Context, Result};
use ipvsdrain::identity::Protocol;
use serde_json::Value;

use super::Service;
use crate::world::World;

/// A kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// dnsperf and nsd: queries from a few fixed ports.
    Dns,
    /// Senders with a fixed port, one way, without a pause.
    Syslog,
    /// Senders with a fixed port, one way: a burst each 30 s.
    Netflow,
    /// Sessions of a minute with answers, each from a fresh port, begun all the time.
    Quic,
    /// wrk and nginx: short connections.
    Http,
    /// Connections that say a word each 30 s.
    Idle,
    /// nginx: downloads of a minute.
    Download,
    /// Short connections of one client to a persistent service.
    Persistent,
}

/// Traffic at work; dropping it ends it.
pub(super) trait Load {
    /// Ends it.
    fn finish(self: Box<Self>) -> Result<Said>;
}

/// What the ends of the traffic said.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// Requests, sessions or transfers that did not get what they wanted.
    pub(super) broken: u64,
    /// Datagrams lost, where both ends wrote them down: the wire must agree.
    pub(super) lost: Option<u64>,
    /// Where the client knows its sessions from its ports, of which one may serve two sessions: how many there were, and
    /// how many of them were with more than one server.
    pub(super) sessions: Option<(u64, u64)>,
    /// The program's own words.
    pub(super) words: Value,
}

/// The programs on the real servers; dropping them ends them.
pub(super) trait Serves {}

impl Kind {
    pub const ALL: [Kind; 8] = [
        Kind::Dns,
        Kind::Syslog,
        Kind::Netflow,
        Kind::Quic,
        Kind::Http,
        Kind::Idle,
        Kind::Download,
        Kind::Persistent,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Kind::Dns => "dns",
            Kind::Syslog => "syslog",
            Kind::Netflow => "netflow",
            Kind::Quic => "quic",
            Kind::Http => "http",
            Kind::Idle => "idle",
            Kind::Download => "download",
            Kind::Persistent => "persistent",
        }
    }

    pub fn named(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .with_context(|| {
                let all = Self::ALL.map(Self::name).join(", ");
                format!("there is no traffic `{name}`: {all}")
            })
    }

    pub(super) const fn service(self) -> Service {
        let (protocol, port) = match self {
            Kind::Dns => (Protocol::Udp, 53),
            Kind::Syslog => (Protocol::Udp, 514),
            Kind::Netflow => (Protocol::Udp, 2055),
            Kind::Quic => (Protocol::Udp, 443),
            Kind::Http | Kind::Download => (Protocol::Tcp, 80),
            Kind::Idle => (Protocol::Tcp, 7000),
            Kind::Persistent => (Protocol::Tcp, 7001),
        };
        let persistent = match self {
            Kind::Persistent => Some(300),
            _ => None,
        };
        Service {
            protocol,
            port,
            persistent,
        }
    }

    /// How long it runs before a server is taken out: until as much of it is under way as ever.
    pub(super) const fn before(self) -> Duration {
        match self {
            Kind::Quic | Kind::Download => Duration::from_secs(70),
            Kind::Netflow => Duration::from_secs(40),
            _ => Duration::from_secs(10),
        }
    }

    /// Starts what the real servers run apart from the traffic itself.
    pub(super) fn serve(self, world: &World) -> Result<Box<dyn Serves>> {
        let port = self.service().port;
        Ok(match self {
            Kind::Dns => Box::new(crate::dns::Servers::start(world, port)?),
            Kind::Http | Kind::Download => Box::new(crate::http::Servers::start(world, port)?),
            _ => Box::new(Nobody),
        })
    }

    pub(super) fn start(self, world: &World) -> Result<Box<dyn Load + '_>> {
        let port = self.service().port;
        Ok(match self {
            Kind::Dns => Box::new(dns::start(world, port)?),
            Kind::Syslog => Box::new(datagrams::syslog(world, port)?),
            Kind::Netflow => Box::new(datagrams::netflow(world, port)?),
            Kind::Quic => Box::new(datagrams::quic(world, port)?),
            Kind::Http => Box::new(web::short(world, port)?),
            Kind::Idle => Box::new(streams::idle(world, port)?),
            Kind::Download => Box::new(web::downloads(world, port)?),
            Kind::Persistent => Box::new(streams::persistent(world, port)?),
        })
    }
}

/// The traffic brings its own receivers.
struct Nobody;

impl Serves for Nobody {}
impl Serves for crate::dns::Servers {}
impl Serves for crate::http::Servers {}
