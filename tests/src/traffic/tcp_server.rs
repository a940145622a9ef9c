//! A real server's TCP side: accepts connections, notes every record and echoes it, all in one thread.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use ipvsdrain::moment::Moment;

use super::echo::Records;
use super::{SILENCE, Worker};
use crate::clock;
use crate::ledger::{Ledger, Server};
use crate::world::Machine;

/// Accepts on `address` from the return of this function on.
pub(super) fn start(
    machine: &Machine,
    server: Server,
    address: SocketAddr,
    ledger: &Ledger,
) -> Result<Worker> {
    let listener = machine
        .within(|| TcpListener::bind(address))
        .with_context(|| format!("cannot bind tcp {address} in namespace {}", machine.name()))?;
    listener.set_nonblocking(true)?;
    let echo = Echo {
        listener,
        server,
        ledger: ledger.clone(),
        connections: Vec::new(),
    };
    Worker::start("tcp server", machine, move |stop| {
        let mut echo = echo;
        loop {
            let wake = stop.wait(&echo.fds(), None)?;
            echo.serve(&wake.ready)?;
            if wake.stopped {
                return echo.drain();
            }
        }
    })
}

#[derive(Debug)]
struct Echo {
    listener: TcpListener,
    server: Server,
    ledger: Ledger,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    since: Moment,
    records: Records,
    over: bool,
}

impl Echo {
    /// The listener first, then the connections in their order.
    fn fds(&self) -> Vec<std::os::fd::BorrowedFd<'_>> {
        let listener = std::iter::once(self.listener.as_fd());
        listener
            .chain(
                self.connections
                    .iter()
                    .map(|connection| connection.stream.as_fd()),
            )
            .collect()
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            let ready = super::stop::wait_for(&self.fds(), clock::now() + SILENCE)?;
            if ready.is_empty() {
                return Ok(());
            }
            self.serve(&ready)?;
        }
    }

    fn serve(&mut self, ready: &[usize]) -> Result<()> {
        for place in ready {
            match place.checked_sub(1) {
                None => self.accept()?,
                Some(place) => self.connections[place].echo(self.server, &self.ledger),
            }
        }
        self.connections.retain(|connection| !connection.over);
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let records = Records::default();
                    self.connections.push(Connection {
                        stream,
                        since: clock::now(),
                        records,
                        over: false,
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error).context("cannot accept connections"),
            }
        }
    }
}

impl Connection {
    fn echo(&mut self, server: Server, ledger: &Ledger) {
        let Ok(arrived) = self.records.read(&self.stream) else {
            self.over = true;
            return;
        };
        self.over = arrived.ended;
        for record in arrived.records {
            ledger.accepted(record.flow, server, self.since);
            ledger.received(record, server, clock::now());
            // A client that is gone does not matter here: its side of the ledger says so.
            let _ = self.stream.write_all(&record.to_bytes());
        }
    }
}
