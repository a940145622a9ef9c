//! What the wire says, as values. Nothing here reads a byte or asks the kernel.
//!
//! Field by field these are `ip_vs_service` and `ip_vs_dest` as generic netlink shows them: identity and configuration
//! first, then the counters the kernel adds.

use serde::{Deserialize, Serialize};

pub use crate::forwarding::{Forwarding, Tunnel, TunnelKind};
use crate::identity::{RealServer, VirtualService};

/// A virtual service as it is configured, with its counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub identity: VirtualService,
    /// The scheduler's name (`rr`, `wlc`, `mh`, ...); `none` where the service has none. At most 15 bytes.
    pub scheduler: String,
    pub flags: ServiceFlags,
    /// How long a persistence template outlives its last new connection, in seconds. Only meaningful with
    /// [`ServiceFlags::PERSISTENT`].
    pub persistence_secs: u32,
    /// Which clients share a persistence template. IPv4: the mask as a number (`0xffff_ff00` is /24). IPv6: the prefix
    /// length, 1 to 128. The kernel keeps it for every service; `0xffff_ffff` or 128 means each client for itself.
    pub netmask: u32,
    /// The persistence engine (`sip`), where one is set.
    pub persistence_engine: Option<String>,
    pub stats: Stats,
}

/// Flags of a virtual service (`IP_VS_SVC_F_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceFlags(pub u32);

impl ServiceFlags {
    /// Connections of one client stay on one real server.
    pub const PERSISTENT: Self = Self(0x01);
    /// Set by the kernel while the service is in its table; it appears in what is read, and is never sent.
    pub const HASHED: Self = Self(0x02);
    /// UDP only: each datagram is scheduled for itself and leaves no connection behind.
    pub const ONE_PACKET: Self = Self(0x04);
    /// The scheduler's first flag: `sh-fallback` under sh, `mh-fallback` under mh.
    pub const SCHED1: Self = Self(0x08);
    /// The scheduler's second flag: `sh-port` under sh, `mh-port` under mh.
    pub const SCHED2: Self = Self(0x10);
    /// The scheduler's third flag; no scheduler uses it yet.
    pub const SCHED3: Self = Self(0x20);

    /// Whether every flag of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A real server behind a virtual service: how it is configured, and what the kernel counts for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    pub server: RealServer,
    pub forwarding: Forwarding,
    /// Share of the new flows, 0 to 2147483647; 0 takes no new flows.
    pub weight: u32,
    /// Above this many connections the server takes no new ones; 0 means no limit.
    pub upper_threshold: u32,
    /// At or below this many connections it takes new ones again; 0 lets the kernel choose three quarters of the upper.
    pub lower_threshold: u32,
    /// Connections the kernel calls active (TCP that is being opened or open). UDP never counts here.
    pub active: u32,
    /// All other connections. An entry stays counted until its own timeout, long after its last packet.
    pub inactive: u32,
    /// Persistence templates bound to this server.
    pub persistent: u32,
    pub stats: Stats,
}

/// Counters of a service or a destination since it was created or zeroed.
///
/// These are the estimator's copy, refreshed every 2 seconds; with `net.ipv4.vs.run_estimation=0` or an empty
/// `est_cpulist` they stand still. Only a comparison over a longer span says anything about traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients, counted before they are sent on.
    pub packets_in: u64,
    /// Replies that came back through the director; 0 under direct route and tunnel.
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// The rates are decaying averages and rounded: 0 does not mean silence.
    pub connections_per_sec: u64,
    pub packets_in_per_sec: u64,
    pub packets_out_per_sec: u64,
    pub bytes_in_per_sec: u64,
    pub bytes_out_per_sec: u64,
}

/// What IPVS says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// IPVS's own version, `(1, 2, 1)` for many years now.
    pub version: (u8, u8, u8),
    /// Buckets of the connection table. From 7.1 on this is the current size in this network namespace, 0 before the
    /// first connection.
    pub connection_table_size: u32,
}

/// The three timeouts that user space may set, per network namespace, in seconds.
///
/// In [`super::Ipvs::set_timeouts`] 0 leaves a timeout as it is. A new value reaches a connection with its next packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// TCP connections that are open (kernel default 900).
    pub tcp_secs: u32,
    /// TCP connections after a FIN (kernel default 120).
    pub tcp_fin_secs: u32,
    /// UDP (kernel default 300).
    pub udp_secs: u32,
}
