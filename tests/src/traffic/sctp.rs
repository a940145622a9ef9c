//! SCTP in one-to-one style. The standard library makes no such sockets; once there, they accept, read, write and close
//! as TCP's do.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket::sockopt::{ReceiveTimeout, SendTimeout};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrIn, bind, connect, listen, setsockopt,
    socket,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::world::Machine;

/// Nothing on a socket takes longer.
const LIMIT: Duration = Duration::from_secs(10);

/// A listener inside this machine. One address alone: others would be told to the peer, past any balancer.
pub fn listen_sctp(machine: &Machine, address: SocketAddrV4) -> Result<TcpListener> {
    let socket = open(machine, address)?;
    listen(&socket, Backlog::MAXCONN).with_context(|| format!("cannot listen on sctp {address}"))?;
    Ok(socket.into())
}

/// An association from this machine's address `from` to `to`, established.
pub fn connect_sctp(machine: &Machine, from: Ipv4Addr, to: SocketAddrV4) -> Result<TcpStream> {
    let socket = open(machine, SocketAddrV4::new(from, 0))?;
    connect(socket.as_raw_fd(), &SockaddrIn::from(to))
        .with_context(|| format!("no association with {to}"))?;
    Ok(socket.into())
}

fn open(machine: &Machine, address: SocketAddrV4) -> Result<OwnedFd> {
    let socket = machine
        .within(|| {
            socket(
                AddressFamily::Inet,
                SockType::Stream,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::Sctp,
            )
        })
        .with_context(|| format!("no SCTP socket in namespace {}", machine.name()))?;
    let limit = TimeVal::seconds(LIMIT.as_secs().cast_signed());
    setsockopt(&socket, ReceiveTimeout, &limit).context("cannot limit waiting on a socket")?;
    setsockopt(&socket, SendTimeout, &limit).context("cannot limit waiting on a socket")?;
    bind(socket.as_raw_fd(), &SockaddrIn::from(address))
        .with_context(|| format!("cannot bind sctp {address} in namespace {}", machine.name()))?;
    Ok(socket)
}
