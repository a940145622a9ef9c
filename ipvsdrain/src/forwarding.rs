//! How packets travel from the director to a real server, and what a real server is configured with.
//!
//! Plain values that the wire, the decision and the journal share.

use serde::{Deserialize, Serialize};

/// The forwarding method of a real server (`IP_VS_CONN_F_*`, the forwarding part).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forwarding {
    Masquerade,
    /// Handed to the director's own stack without rewriting. ipvsadm never sets it.
    Local,
    Tunnel(Tunnel),
    DirectRoute,
    /// Sent on to the address the client asked for. The kernel sets it on connections, not on servers.
    Bypass,
}

impl Forwarding {
    /// As people are shown it, a tunnel with its encapsulation.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Masquerade => "masquerade",
            Self::Local => "local",
            Self::Tunnel(tunnel) => match tunnel.kind {
                TunnelKind::Ipip => "tunnel ipip",
                TunnelKind::Gue => "tunnel gue",
                TunnelKind::Gre => "tunnel gre",
            },
            Self::DirectRoute => "direct route",
            Self::Bypass => "bypass",
        }
    }
}

/// The outer packet of a tunnelled real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tunnel {
    pub kind: TunnelKind,
    /// UDP port of the outer packet; GUE only, else 0.
    pub port: u16,
    /// Checksum options (`IP_VS_TUNNEL_ENCAP_FLAG_*`): 1 checksum, 2 remote checksum; 0 none.
    pub flags: u16,
}

/// The encapsulation of a tunnelled real server.
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
