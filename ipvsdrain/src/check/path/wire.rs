//! A link, seen by one check: its packets go to one server, and only what answers them comes back.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::{Context, Poll, ready};

use nix::sys::socket::{LinkAddr, MsgFlags, recv, sendto};
use tokio::io::unix::AsyncFd;

use super::filter::answers;
use super::link::Link;
use crate::check::packets;

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
        let to = packets::link_address(link.index, link.hardware);
        let packets = packets::open(&answers(from, link.own, protocol, port), &to)?;
        Ok(Self { packets, to })
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
