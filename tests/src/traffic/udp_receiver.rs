//! A real server's UDP side: notes every datagram, and echoes it where replies are wanted.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use ipvsdrain::moment::Moment;
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
    let receiver = Receiver {
        socket,
        server,
        replies,
        ledger: ledger.clone(),
        owed: VecDeque::new(),
    };
    Worker::start("udp receiver", machine, move |stop| receiver.run(stop))
}

#[derive(Debug)]
struct Receiver {
    socket: UdpSocket,
    server: Server,
    replies: Replies,
    ledger: Ledger,
    /// Late replies in the order in which they are due.
    owed: VecDeque<Owed>,
}

#[derive(Debug)]
struct Owed {
    due: Moment,
    to: SocketAddr,
    record: Record,
}

impl Receiver {
    fn run(mut self, stop: &Stop) -> Result<()> {
        loop {
            let wake = stop.wait(&[self.socket.as_fd()], self.owed.front().map(|owed| owed.due))?;
            if wake.stopped {
                break;
            }
            self.take_all()?;
        }
        while !super::stop::wait_for(&[self.socket.as_fd()], clock::now() + SILENCE)?.is_empty() {
            self.take_all()?;
        }
        Ok(())
    }

    fn take_all(&mut self) -> Result<()> {
        let mut bytes = [0; RECORD_LEN + 1];
        loop {
            match self.socket.recv_from(&mut bytes) {
                Ok((count, from)) => {
                    if let Some(record) = Record::from_bytes(&bytes[..count]) {
                        self.ledger.received(record, self.server, clock::now());
                        self.answer(record, from);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot receive datagrams"),
            }
        }
        let now = clock::now();
        while let Some(owed) = self.owed.pop_front_if(|owed| owed.due <= now) {
            self.reply(owed.record, owed.to);
        }
        Ok(())
    }

    fn answer(&mut self, record: Record, to: SocketAddr) {
        match self.replies {
            Replies::None => {}
            Replies::Echo => self.reply(record, to),
            Replies::Late(by) => self.owed.push_back(Owed {
                due: clock::now() + by,
                to,
                record,
            }),
        }
    }

    /// A reply that cannot be sent shows as an unanswered record.
    fn reply(&self, record: Record, to: SocketAddr) {
        let _ = self.socket.send_to(&record.to_bytes(), to);
    }
}
