//! The way clients go: to a real server under direct route, for the virtual address.
//!
//! The virtual address is this host's own, and its kernel would never send it to a server. So a check builds its packets
//! itself (smoltcp), hands them to the server's link address, and picks the answers off the link, where the kernel drops
//! them: it takes a packet from one of its own addresses for forged. Nothing on the host is changed for it. IPv4 alone.

mod filter;
mod link;
mod queue;
mod stack;
mod tcp;
mod udp;
mod wire;

use std::net::{Ipv4Addr, SocketAddrV4};

pub(super) use self::link::{Link, LinkError};
pub(super) use self::tcp::Stream;
pub(super) use self::udp::Exchange;

/// Where a check goes: the address it speaks to, and the server that is to hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) to: SocketAddrV4,
    pub(super) server: Ipv4Addr,
}
