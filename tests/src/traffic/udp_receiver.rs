//! A real server's UDP side: notes every datagram, and echoes it where replies are wanted.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};

use super::{Replies, SILENCE, Stop, Worker};
use crate::clock;
use crate::ledger::{Ledger, RECORD_LEN, Record, Server};
use crate::world::Machine;

/// A receiver must never lose for want of room.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;

/// Receives on `address` from the return of this function on.
pub(super) fn start(
    machine: &Machine,
    server: Server,
    address: SocketAddr,
    replies: Replies,
    ledger: &Ledger,
) -> Result<Worker> {
    let socket = machine
        .within(|| UdpSocket::bind(address))
        .with_context(|| format!("cannot bind udp {address} in namespace {}", machine.name()))?;
    setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER_BYTES).context("cannot enlarge a receive buffer")?;
    socket.set_nonblocking(true)?;
    let ledger = ledger.clone();
    Worker::start("udp receiver", machine, move |stop| {
        receive(&socket, server, replies, &ledger, stop)
    })
}

fn receive(socket: &UdpSocket, server: Server, replies: Replies, ledger: &Ledger, stop: &Stop) -> Result<()> {
    while !stop.wait(&[socket.as_fd()], None)?.stopped {
        take_all(socket, server, replies, ledger)?;
    }
    while !super::stop::wait_for(&[socket.as_fd()], clock::now() + SILENCE)?.is_empty() {
        take_all(socket, server, replies, ledger)?;
    }
    Ok(())
}

fn take_all(socket: &UdpSocket, server: Server, replies: Replies, ledger: &Ledger) -> Result<()> {
    let mut bytes = [0; RECORD_LEN + 1];
    loop {
        match socket.recv_from(&mut bytes) {
            Ok((count, from)) => {
                let Some(record) = Record::from_bytes(&bytes[..count]) else {
                    continue;
                };
                ledger.received(record, server, clock::now());
                if replies == Replies::Echo {
                    // A reply that cannot be sent shows as an unanswered record.
                    let _ = socket.send_to(&bytes[..count], from);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot receive datagrams"),
        }
    }
}
