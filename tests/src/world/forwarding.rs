//! How packets travel from the director to a real server, as `ipvsadm` is told.

/// The UDP port on which real servers take GUE packets.
pub(super) const GUE_PORT: u16 = 6080;

/// The forwarding method of a world's real servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    Masquerade,
    DirectRoute,
    /// IP in IP.
    Tunnel,
    /// IP in UDP, on port 6080.
    Gue,
    Gre,
}

impl Forwarding {
    /// The options of `ipvsadm`.
    pub const fn flag(self) -> &'static str {
        match self {
            Forwarding::Masquerade => "-m",
            Forwarding::DirectRoute => "-g",
            Forwarding::Tunnel => "-i",
            Forwarding::Gue => "-i --tun-type gue --tun-port 6080 --tun-nocsum",
            Forwarding::Gre => "-i --tun-type gre --tun-nocsum",
        }
    }
}
