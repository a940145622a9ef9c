//! IPVS over generic netlink: services and destinations as the kernel keeps them.
//!
//! Owns the wire format ([`wire`], no sockets), the values it carries ([`model`]), the rule for when a dump may be
//! trusted ([`stable`]), and the one client that talks to the kernel ([`client`]). Nothing outside this folder names
//! neli, and nothing in it decides what should become of a real server.
//!
//! The kernel sends no notifications about IPVS, so a change made by another hand is only seen by asking again.

mod client;
mod error;
mod model;
mod socket;
mod stable;
mod wire;

pub use client::Ipvs;
pub use error::{Error, Operation};
pub use model::{Destination, Forwarding, Info, Service, ServiceFlags, Stats, Timeouts, Tunnel, TunnelKind};
