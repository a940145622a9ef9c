//! The wire format of IPVS over generic netlink, without any socket: bytes in, values out, and back.
//!
//! Requests are built with neli's types. Replies are read here from the bytes up, because neli's own reader subtracts
//! lengths unchecked and hides where one datagram ends, which is what tells a whole list from a patched one. Whatever
//! the bytes are, reading them gives a value or [`super::Error::Malformed`], never a panic.

mod answer;
mod attribute;
mod fields;
mod frame;
mod reply;
mod request;

pub(super) use answer::{Answer, Collector, Failure};
pub(super) use attribute::Command;
pub(super) use reply::{destination, family_id, info, service, timeouts};
pub(super) use request::{Request, family_request};

/// The generic netlink family's name.
const FAMILY: &str = "IPVS";

#[cfg(test)]
mod golden;
#[cfg(test)]
mod request_bytes;
#[cfg(test)]
mod roundtrip;
