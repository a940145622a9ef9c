//! Which packets of a link a check hears: the answers to its own, in the old packet filter's language. Pure.

use std::net::Ipv4Addr;

use nix::libc;
use socket2::SockFilter;

/// Of `include/uapi/linux/filter.h`.
const LOAD_WORD: u16 = 0x20;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_AT_X: u16 = 0x48;
const X_IS_HEADER_LENGTH: u16 = 0xb1;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

const PROTOCOL: u32 = 9;
const SOURCE: u32 = 12;
const DESTINATION: u32 = 16;
/// Behind the header of IP.
const DESTINATION_PORT: u32 = 2;

/// Packets of `protocol` from `from` to `own` and this port, and what ICMP says from there.
pub(super) fn answers(from: Ipv4Addr, own: Ipv4Addr, protocol: u8, port: u16) -> [SockFilter; 12] {
    let plain = |code, k| SockFilter::new(code, 0, 0, k);
    // Jumps count the instructions that are left out.
    let unless_equal = |k, skip| SockFilter::new(JUMP_IF_EQUAL, 0, skip, k);
    [
        plain(LOAD_WORD, SOURCE),
        unless_equal(from.to_bits(), 9),
        plain(LOAD_WORD, DESTINATION),
        unless_equal(own.to_bits(), 7),
        plain(LOAD_BYTE, PROTOCOL),
        SockFilter::new(JUMP_IF_EQUAL, 4, 0, libc::IPPROTO_ICMP.unsigned_abs()),
        unless_equal(u32::from(protocol), 4),
        plain(X_IS_HEADER_LENGTH, 0),
        plain(LOAD_HALF_AT_X, DESTINATION_PORT),
        unless_equal(u32::from(port), 1),
        plain(RETURN, u32::from(u16::MAX)),
        plain(RETURN, 0),
    ]
}
