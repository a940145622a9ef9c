//! A link, seen by one check: its packets go to one server, and only what answers them comes back.

use std::io;
use std::mem::size_of;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::{Context, Poll, ready};

use nix::libc;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike, bind, recv, sendto, socket,
};
use socket2::SockRef;
use tokio::io::unix::AsyncFd;

use super::filter::answers;
use super::link::Link;

/// More than any packet, merged ones included.
const LONGEST: usize = 65_536;

#[derive(Debug)]
pub(super) struct Wire {
    packets: AsyncFd<OwnedFd>,
    to: LinkAddr,
}

impl Wire {
    /// Hears what `from` answers to this port of ours. Needs the capability `CAP_NET_RAW`.
    pub(super) fn open(link: &Link, from: Ipv4Addr, protocol: u8, port: u16) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // Of no protocol yet: it hears nothing before it has its filter.
        let packets = socket(AddressFamily::Packet, SockType::Datagram, flags, None)?;
        SockRef::from(&packets).attach_filter(&answers(from, link.own, protocol, port))?;
        let to = link_addr(link);
        bind(packets.as_raw_fd(), &to)?;
        Ok(Self {
            // SAFETY: the descriptor is owned, and is the same as long as it lives.
            packets: unsafe { AsyncFd::register(packets) }?,
            to,
        })
    }

    pub(super) fn send(&self, packet: &[u8]) -> io::Result<()> {
        let fd = self.packets.get_ref().as_raw_fd();
        sendto(fd, packet, &self.to, MsgFlags::empty())?;
        Ok(())
    }

    /// The next packet; or this task is woken when there is one.
    pub(super) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        loop {
            let mut guard = ready!(self.packets.poll_read_ready(cx))?;
            let received = guard.try_io(|fd| {
                let mut packet = vec![0; LONGEST];
                let length = recv(fd.as_raw_fd(), &mut packet, MsgFlags::empty())?;
                packet.truncate(length);
                Ok(packet)
            });
            if let Ok(received) = received {
                return Poll::Ready(received);
            }
        }
    }
}

fn link_addr(link: &Link) -> LinkAddr {
    // SAFETY: all bytes zero are a value of this plain struct.
    let mut raw: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    raw.sll_family = libc::AF_PACKET as libc::sa_family_t;
    raw.sll_protocol = (libc::ETH_P_IP as u16).to_be();
    raw.sll_ifindex = link.index.cast_signed();
    raw.sll_halen = 6;
    raw.sll_addr[..6].copy_from_slice(&link.hardware);
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: it points to a whole `sockaddr_ll` of that family and length.
    let address = unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) };
    address.expect("an address of this family and length is one")
}
