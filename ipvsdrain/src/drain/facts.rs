//! What was seen, as the decision takes it. Whatever could not be seen says why: unknown is never idle.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::floor::{Capacity, Member};
use super::lending::Borrowed;
use crate::forwarding::Configuration;
use crate::health::Health;
use crate::moment::Moment;

/// Something observed, or the reason why it could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence<T> {
    Known(T),
    Unknown(String),
}

/// All that one step may rely on, gathered for one drain just before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub table: Table,
    /// First witness: the live flows, as far as the rung in use can see them.
    pub flows: Evidence<Flows>,
    /// What the observer would have seen more, were it not for a cause.
    pub lacking: Lacking,
    /// Second witness: whether the kernel's packet counters move at all on this host. The counter itself is
    /// [`Server::traffic`].
    pub counters: Evidence<()>,
    /// The virtual service around the server; `None` if it does not exist.
    pub service: Evidence<Option<Service>>,
    /// What is left of the service without this server.
    pub capacity: Capacity,
    /// `net.ipv4.vs.expire_nodest_conn`: does a datagram of a removed server's flow find another one?
    pub expire_nodest_conn: Evidence<bool>,
    /// `net.ipv4.vs.expire_quiescent_template`: does a persistent client leave a server at weight 0?
    pub expire_quiescent_template: Evidence<bool>,
    /// `net.ipv4.vs.conn_reuse_mode` is 0: a new TCP connection from an old port meets the old entry.
    pub reuses_connections: Evidence<bool>,
    /// A removal with `expire_nodest_conn` on flushes the entries of the server: from Linux 5.9 on.
    pub flushes_entries: bool,
    /// What other drains have borrowed: it is not given back before they are done.
    pub borrowed_elsewhere: Borrowed,
    /// What is said about the server's health; `None` if nobody says anything.
    pub health: Option<Health>,
    /// Is the observer watching this real server?
    pub watched: bool,
}

/// The kernel's IPVS table, as far as this drain goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Table {
    Unknown(String),
    NoService,
    NoServer,
    Present(Server),
}

/// A real server in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub configuration: Configuration,
    /// Entries in an active TCP state, and established SCTP ones. Immediate: not subject to the estimator's delay.
    pub active: u32,
    /// Entries in any other state, UDP's all.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
    /// Packets forwarded here. A snapshot that the kernel renews every 2 s.
    pub packets: u64,
    /// Its replies that came back through the director, under masquerade. A snapshot as well.
    pub packets_out: u64,
}

/// A virtual service, as far as a drain of one of its servers goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub scheduler: Scheduler,
    /// Its clients keep their server.
    pub persistent: bool,
    /// Its other real servers.
    pub others: Vec<Member>,
}

/// How a service chooses a server for a new flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduler {
    pub name: String,
    pub at_zero: AtZero,
}

/// What a scheduler does about a server at weight 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtZero {
    /// New flows go to the others.
    Skips,
    /// `sh`, `mh`: new flows go to the others if the service's fallback flag is on; else a share of them is dropped.
    Fallback(bool),
    /// `dh`: what hashes to it is dropped.
    Drops,
}

impl Server {
    /// Entries that a late packet could still hit.
    pub fn entries(&self) -> u64 {
        u64::from(self.active) + u64::from(self.inactive) + u64::from(self.persistent)
    }

    /// Packets in both directions, for a reply keeps a flow live as well as a request does. Neither count ever falls
    /// but when both are zeroed, so no movement of one can hide that of the other.
    pub fn traffic(&self) -> u64 {
        self.packets.saturating_add(self.packets_out)
    }
}

/// How flows are known: the rungs of the observer's ladder, the best one first. It takes the best the kernel allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Kprobes on IPVS see each forwarded packet with its connection.
    Probes,
    /// Flows are known from the kernel's table of connections (the seed), and kept live by the arrival of their
    /// packets (XDP, TC).
    Arrivals,
    /// Only the kernel's own counters, for each server as a whole: flows cannot be counted.
    Counters,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rung::Probes => "probes",
            Rung::Arrivals => "arrivals with seed",
            Rung::Counters => "counters alone",
        })
    }
}

/// Why there is not more to see, where that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lacking {
    /// No better rung was taken, because.
    pub better_rung: Option<String>,
    /// Arrivals are not witnessed, because.
    pub arrivals: Option<String>,
}

/// Packets of a server's tracked flows that came to the director, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Arrivals {
    /// Packets that arrived.
    pub arrived: u64,
    /// Packets that were forwarded to another server, after their flow was re-scheduled.
    pub elsewhere: u64,
    /// Flows so re-scheduled.
    pub moved: u64,
    /// Packets that nobody forwarded.
    pub lost: u64,
}

/// What was seen of the flows of a watched real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    /// UDP flows forwarded within `udp_quiet`.
    pub udp: u64,
    /// TCP flows in an active state that moved within `tcp_quiet`, and SCTP ones that are not shut down.
    pub tcp_open: u64,
    /// TCP flows past FIN or RST that moved within `closing_quiet`, and SCTP ones past SHUTDOWN or ABORT.
    pub tcp_closing: u64,
    /// Packets forwarded since the watch began.
    pub forwarded: u64,
    /// Packets in both directions since then. On the rung of probes alone.
    #[serde(default)]
    pub packets: u64,
    /// Flows whose connection began since then. On the rung of probes alone.
    #[serde(default)]
    pub started: u64,
    /// The last packet in either direction.
    pub last_packet: Option<Moment>,
    /// Nothing before this moment was seen by this rung: a change of rung begins anew.
    pub watched_since: Moment,
    /// How these counts came to be. Under [`Rung::Counters`] they are all 0 and mean nothing.
    pub rung: Rung,
    /// `None`: arrivals are not witnessed.
    pub arrivals: Option<Arrivals>,
}

impl Flows {
    /// The same, if flows are counted at all.
    pub fn counted(self) -> Option<Self> {
        (self.rung != Rung::Counters).then_some(self)
    }
}
