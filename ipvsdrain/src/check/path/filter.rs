//! Which packets of a link a check hears: the answers to its own, in the old packet filter's language. Pure.

use std::net::Ipv4Addr;

use nix::libc;
use socket2::SockFilter;

use crate::check::packets::{
    JUMP_IF_EQUAL, LOAD_BYTE, LOAD_HALF_AT_X, LOAD_WORD, PROTOCOL, RETURN, SOURCE, X_IS_HEADER_LENGTH,
};

const DESTINATION: u32 = 16;
/// Behind the header of IP.
const DESTINATION_PORT: u32 = 2;

/// Packets of `protocol` from `from` to `own` and this port, and what ICMP says from there.
pub(super) fn answers(from: Ipv4Addr, own: Ipv4Addr, protocol: u8, port: u16) -> [SockFilter; 12] {
    let plain = |code, k| SockFilter::new(code, 0, 0, k);
    // Jumps count the instructions that are left out.
    let unless_equal = |k, skip| SockFilter::new(JUMP_IF_EQUAL, 0, skip, k);
    [
        plain(LOAD_WORD, SOURCE.into()),
        unless_equal(from.to_bits(), 9),
        plain(LOAD_WORD, DESTINATION),
        unless_equal(own.to_bits(), 7),
        plain(LOAD_BYTE, PROTOCOL.into()),
        SockFilter::new(JUMP_IF_EQUAL, 4, 0, libc::IPPROTO_ICMP.unsigned_abs()),
        unless_equal(u32::from(protocol), 4),
        plain(X_IS_HEADER_LENGTH, 0),
        plain(LOAD_HALF_AT_X, DESTINATION_PORT),
        unless_equal(u32::from(port), 1),
        plain(RETURN, u32::from(u16::MAX)),
        plain(RETURN, 0),
    ]
}
