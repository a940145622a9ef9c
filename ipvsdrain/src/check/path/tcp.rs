//! A TCP connection to a server for the virtual address.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::libc;
use smoltcp::socket::tcp::{RecvError, Socket, SocketBuffer, State};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stack::Stack;
use super::{Link, Way};

const BUFFER: usize = 32 * 1024;

/// A connection; dropping it resets it.
pub(in crate::check) struct Stream(Stack);

/// One of the ports that nobody has by name.
pub(super) fn fresh_port() -> u16 {
    49_152 | rand::random::<u16>()
}

impl Stream {
    pub(in crate::check) async fn connect(link: &Link, way: Way) -> io::Result<Self> {
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let port = fresh_port();
        let protocol = libc::IPPROTO_TCP as u8;
        let socket = Socket::new(buffer(), buffer());
        let mut stack = Stack::new(link, way.to, protocol, port, socket)?;
        let (socket, context) = stack.socket::<Socket<'_>>();
        socket.connect(context, way.to, port).map_err(io::Error::other)?;
        let mut stream = Self(stack);
        poll_fn(|cx| stream.poll_connected(cx)).await?;
        Ok(stream)
    }

    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.turn(cx)?.state() {
            State::SynSent | State::SynReceived => Poll::Pending,
            State::Closed => Poll::Ready(Err(Errno::ECONNREFUSED.into())),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> io::Result<&mut Socket<'static>> {
        self.0.turn(cx)?;
        Ok(self.0.socket().0)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let (socket, _) = self.0.socket::<Socket<'_>>();
        socket.abort();
        self.0.flush();
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = self.turn(cx)?;
        match socket.recv_slice(into.initialize_unfilled()) {
            Ok(0) if socket.may_recv() => Poll::Pending,
            Ok(length) => {
                into.advance(length);
                // The peer may now send more.
                self.turn(cx)?;
                Poll::Ready(Ok(()))
            }
            Err(RecvError::Finished) => Poll::Ready(Ok(())),
            Err(RecvError::InvalidState) => Poll::Ready(Err(Errno::ECONNRESET.into())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.turn(cx)?;
        match socket.send_slice(bytes) {
            Ok(0) if !bytes.is_empty() => Poll::Pending,
            Ok(length) => {
                self.turn(cx)?;
                Poll::Ready(Ok(length))
            }
            Err(_) => Poll::Ready(Err(Errno::EPIPE.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.turn(cx)?;
        if socket.send_queue() == 0 || !socket.is_active() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        self.0.socket::<Socket<'_>>().0.close();
        self.turn(cx)?;
        Poll::Ready(Ok(()))
    }
}
