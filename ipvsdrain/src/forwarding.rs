//! How packets travel from the director to a real server, and what a real server is configured with.
//!
//! Plain values that the wire, the decision and the journal share.

use serde::{Deserialize, Serialize};

/// The forwarding method of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forwarding {
    Masquerade,
    Local,
    Tunnel(Tunnel),
    DirectRoute,
    Bypass,
}

/// What wraps a tunnelled packet. `port` (UDP, GUE only) and `flags` (checksum options) are zero where unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tunnel {
    pub kind: TunnelKind,
    pub port: u16,
    pub flags: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TunnelKind {
    Ipip,
    Gue,
    Gre,
}

/// Everything an operator configured on a real server: what must survive a drain to the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    pub forwarding: Forwarding,
    pub weight: u32,
    /// Connections above which no new one is scheduled here; 0 = no limit.
    pub upper_threshold: u32,
    /// Connections below which scheduling resumes; 0 = three quarters of the upper one.
    pub lower_threshold: u32,
}
