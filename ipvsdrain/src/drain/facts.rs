//! What was seen, as the decision takes it. Whatever could not be seen says why: unknown is never idle.

use serde::{Deserialize, Serialize};

use crate::forwarding::Configuration;
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
    /// First witness: the live flows, seen by the probes.
    pub flows: Evidence<Flows>,
    /// Second witness: whether the kernel's packet counters move at all on this host. The counter itself is
    /// [`Server::packets`].
    pub counters: Evidence<()>,
    /// `net.ipv4.vs.expire_nodest_conn`: does a datagram of a removed server's flow find another one?
    pub expire_nodest_conn: Evidence<bool>,
    /// Another drain has it borrowed as well; this is the value that is owed.
    pub expire_nodest_borrowed_elsewhere: Option<bool>,
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
    /// The scheduler of the service, if a weight of 0 makes it drop new flows as configured now.
    pub dropping_scheduler: Option<String>,
    /// Sum of the weights of the other real servers of the service.
    pub others_weight: u64,
}

impl Server {
    /// Entries that a late packet could still hit.
    pub fn entries(&self) -> u64 {
        u64::from(self.active) + u64::from(self.inactive) + u64::from(self.persistent)
    }
}

/// What the probes counted for a watched real server.
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
    /// The last packet in either direction.
    pub last_packet: Option<Moment>,
    /// Nothing before this moment was seen.
    pub watched_since: Moment,
}
