//! The client's TCP side: long connections that send a record at every interval, silent ones, and short ones.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Result;
use ipvsdrain::moment::Moment;

use super::echo::Records;
use super::{PATIENCE, Stop, Worker};
use crate::clock;
use crate::ledger::{Flow, Ledger, Record, Transport};
use crate::world::Machine;

/// A handshake that takes longer has failed.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// A connection as planned. Its first record is sent at once: it tells the server which flow this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpConnection {
    /// When it is opened, after the client's start.
    pub starts: Duration,
    /// None: until the client is stopped.
    pub lasts: Option<Duration>,
    /// From one record to the next; None: silent after the first.
    pub every: Option<Duration>,
}

pub(super) fn start(
    client: &Machine,
    to: SocketAddr,
    plan: TcpConnection,
    ledger: &Ledger,
) -> Result<Worker> {
    let ledger = ledger.clone();
    Worker::start("tcp client", client, move |stop| {
        let begin = clock::now() + plan.starts;
        if stop.wait_until(begin)? {
            return Ok(());
        }
        hold(to, plan, begin, &ledger, stop)
    })
}

pub(super) fn start_short(
    client: &Machine,
    to: SocketAddr,
    every: Duration,
    ledger: &Ledger,
) -> Result<Worker> {
    let ledger = ledger.clone();
    let plan = TcpConnection {
        starts: Duration::ZERO,
        lasts: Some(Duration::ZERO),
        every: None,
    };
    Worker::start("short tcp client", client, move |stop| {
        let mut next = clock::now();
        while !stop.wait_until(next)? {
            hold(to, plan, clock::now(), &ledger, stop)?;
            next = next + every;
        }
        Ok(())
    })
}

/// One connection from its handshake to its close. What fails is written in the ledger.
fn hold(to: SocketAddr, plan: TcpConnection, begin: Moment, ledger: &Ledger, stop: &Stop) -> Result<()> {
    let flow = ledger.open(Transport::Tcp);
    // Noted before the handshake: a request that finds no server was still wanted.
    ledger.sent(flow, 0, clock::now());
    let mut client = match open(to) {
        Ok(stream) => Client {
            stream,
            flow,
            ledger,
            records: Records::default(),
            over: false,
        },
        Err(error) => {
            ledger.broken(flow, format!("cannot connect to {to}: {error}"));
            return Ok(());
        }
    };
    client.write(0);
    let ends = plan.lasts.map(|lasts| begin + lasts);
    let mut next = plan.every.map(|every| begin + every);
    let mut sequence = 1;
    while !client.over {
        let deadline = next.into_iter().chain(ends).min();
        let wake = stop.wait(&[client.stream.as_fd()], deadline)?;
        if !wake.ready.is_empty() {
            client.read();
        }
        let now = clock::now();
        if wake.stopped || ends.is_some_and(|ends| ends <= now) {
            break;
        }
        if let (Some(due), Some(every)) = (next, plan.every)
            && due <= now
            && !client.over
        {
            ledger.sent(flow, sequence, now);
            client.write(sequence);
            sequence += 1;
            next = Some(due + every);
        }
    }
    client.close()
}

fn open(to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, HANDSHAKE_LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

#[derive(Debug)]
struct Client<'ledger> {
    stream: TcpStream,
    flow: Flow,
    ledger: &'ledger Ledger,
    records: Records,
    /// The server closed, or the connection failed.
    over: bool,
}

impl Client<'_> {
    fn write(&mut self, sequence: u64) {
        let record = Record {
            flow: self.flow,
            sequence,
        };
        if let Err(error) = self.stream.write_all(&record.to_bytes()) {
            self.fail(&format!("cannot write record {sequence}: {error}"));
        }
    }

    fn read(&mut self) {
        match self.records.read(&self.stream) {
            Ok(arrived) => {
                for record in arrived.records {
                    self.ledger.answered(record, clock::now());
                }
                self.over |= arrived.ended;
            }
            Err(error) => self.fail(&format!("cannot read: {error}")),
        }
    }

    fn fail(&mut self, error: &str) {
        self.ledger.broken(self.flow, error.to_owned());
        self.over = true;
    }

    /// Sends a FIN and waits for the server's, so that the last echoes are read.
    fn close(mut self) -> Result<()> {
        let now = clock::now();
        self.ledger.closed(self.flow, now);
        // It fails only on a connection that is already gone.
        let _ = self.stream.shutdown(Shutdown::Write);
        let deadline = now + PATIENCE;
        while !self.over && clock::now() < deadline {
            super::stop::wait_for(&[self.stream.as_fd()], deadline)?;
            self.read();
        }
        Ok(())
    }
}
