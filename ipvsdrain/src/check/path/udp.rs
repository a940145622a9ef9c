//! Datagrams to a server for the virtual address.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use nix::libc;
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket};

use super::stack::Stack;
use super::tcp::fresh_port;
use super::{Link, Way};

/// The longest datagram that there is.
const LONGEST: usize = 65_535;

/// One socket, which speaks to one server.
pub(in crate::check) struct Exchange {
    stack: Stack,
    way: Way,
}

impl Exchange {
    pub(in crate::check) fn open(link: &Link, way: Way) -> io::Result<Self> {
        let buffer = || PacketBuffer::new(vec![PacketMetadata::EMPTY; 4], vec![0; LONGEST]);
        let port = fresh_port();
        let mut socket = Socket::new(buffer(), buffer());
        socket.bind(port).map_err(io::Error::other)?;
        let protocol = libc::IPPROTO_UDP as u8;
        let stack = Stack::new(link, way.to, protocol, port, socket)?;
        Ok(Self { stack, way })
    }

    pub(in crate::check) async fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let (socket, _) = self.stack.socket::<Socket<'_>>();
        socket
            .send_slice(datagram, self.way.to)
            .map_err(io::Error::other)?;
        poll_fn(|cx| Poll::Ready(self.stack.turn(cx))).await
    }

    pub(in crate::check) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        self.stack.turn(cx)?;
        let (socket, _) = self.stack.socket::<Socket<'_>>();
        match socket.recv() {
            Ok((datagram, _)) => Poll::Ready(Ok(datagram.to_vec())),
            Err(_) => Poll::Pending,
        }
    }
}
