//! Packet sockets, which see what arrives on a link from the header of IP on, and the words of the filters that they take.
//! Which packets are worth hearing, and what they mean, is for others to say.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockType, SockaddrLike, bind, socket};
use socket2::{SockFilter, SockRef};
use tokio::io::unix::AsyncFd;

/// Of `include/uapi/linux/filter.h`.
pub(super) const LOAD_WORD: u16 = 0x20;
pub(super) const LOAD_HALF: u16 = 0x28;
pub(super) const LOAD_BYTE: u16 = 0x30;
pub(super) const LOAD_HALF_AT_X: u16 = 0x48;
pub(super) const LOAD_BYTE_AT_X: u16 = 0x50;
pub(super) const X_IS_HEADER_LENGTH: u16 = 0xb1;
pub(super) const JUMP_IF_EQUAL: u16 = 0x15;
pub(super) const JUMP_IF_ANY_SET: u16 = 0x45;
pub(super) const RETURN: u16 = 0x06;

/// The protocol, in the header of IPv4.
pub(super) const PROTOCOL: u8 = 9;
/// Likewise.
pub(super) const SOURCE: u8 = 12;

/// Hears the packets of this address' interface that the filter lets through. Needs the capability `CAP_NET_RAW`.
pub(super) fn open(filter: &[SockFilter], at: &LinkAddr) -> io::Result<AsyncFd<OwnedFd>> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    // Of no protocol yet: it hears nothing before it has its filter.
    let packets = socket(AddressFamily::Packet, SockType::Datagram, flags, None)?;
    SockRef::from(&packets).attach_filter(filter)?;
    bind(packets.as_raw_fd(), at)?;
    // SAFETY: the descriptor is owned, and is the same as long as it lives.
    Ok(unsafe { AsyncFd::register(packets) }?)
}

/// IPv4 on this interface, 0 being all of them.
#[expect(clippy::cast_possible_truncation, reason = "they are small")]
pub(super) fn link_address(interface: u32, hardware: [u8; 6]) -> LinkAddr {
    // SAFETY: all bytes zero are a value of this plain struct.
    let mut raw: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    raw.sll_family = libc::AF_PACKET as libc::sa_family_t;
    raw.sll_protocol = (libc::ETH_P_IP as u16).to_be();
    raw.sll_ifindex = interface.cast_signed();
    raw.sll_halen = 6;
    raw.sll_addr[..6].copy_from_slice(&hardware);
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: it points to a whole `sockaddr_ll` of that family and length.
    let address = unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) };
    address.expect("an address of this family and length is one")
}
