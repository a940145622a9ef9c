//! The ledger: every datagram and every TCP record carries (flow, sequence), and whoever sends or receives one
//! writes it down here.
//!
//! Owns the notes and their shared handle. It never touches a socket or a clock; [`account`] answers questions.

mod account;
#[cfg(test)]
mod account_tests;
mod record;

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ipvsdrain::moment::Moment;

pub use account::{Account, FlowAccount, Servings, View};
pub use record::{RECORD_LEN, Record};

/// One socket of the client: a connection, or datagrams one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow(pub u32);

/// A real server by its place in the world, counted from 1: `server1` is `Server(1)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server(pub u16);

/// How a flow travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp(Ports),
    Tcp,
}

/// What tells the 5-tuples of a scenario's one client apart. To IPVS, and so to an observer, sockets that have the same
/// ports one after the other are one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    pub client: u16,
    pub service: u16,
}

/// A record that reached a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) sequence: u64,
    pub(crate) server: Server,
    pub(crate) at: Moment,
}

/// All that is written about one flow.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    pub(crate) transport: Transport,
    pub(crate) sent: Vec<(u64, Moment)>,
    pub(crate) received: Vec<Receipt>,
    pub(crate) answered: Vec<(u64, Moment)>,
    pub(crate) accepted: Option<(Server, Moment)>,
    pub(crate) closed: Option<Moment>,
    pub(crate) broken: Option<String>,
}

/// The shared handle; clones write into the same ledger.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    book: Arc<Book>,
}

#[derive(Debug, Default)]
struct Book {
    account: Mutex<Account>,
    written: Condvar,
}

impl Ledger {
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a flow and names it.
    pub fn open(&self, transport: Transport) -> Flow {
        self.lock().open(transport)
    }

    /// The client handed a record to its socket.
    pub fn sent(&self, flow: Flow, sequence: u64, at: Moment) {
        self.note(flow, |notes| notes.sent.push((sequence, at)));
    }

    /// A server got a record.
    pub fn received(&self, record: Record, server: Server, at: Moment) {
        let receipt = Receipt {
            sequence: record.sequence,
            server,
            at,
        };
        self.note(record.flow, |notes| notes.received.push(receipt));
    }

    /// The client got the server's reply to a record.
    pub fn answered(&self, record: Record, at: Moment) {
        self.note(record.flow, |notes| notes.answered.push((record.sequence, at)));
    }

    /// A TCP connection was accepted by a server; the flow is known from its first record.
    pub fn accepted(&self, flow: Flow, server: Server, at: Moment) {
        self.note(flow, |notes| {
            notes.accepted = notes.accepted.or(Some((server, at)));
        });
    }

    /// The client sent its FIN, or a UDP flow sent its last datagram.
    pub fn closed(&self, flow: Flow, at: Moment) {
        self.note(flow, |notes| notes.closed = notes.closed.or(Some(at)));
    }

    /// The client's socket failed.
    pub fn broken(&self, flow: Flow, error: String) {
        self.note(flow, |notes| notes.broken = notes.broken.take().or(Some(error)));
    }

    /// Waits until `met` holds for the account; false if `limit` passes first.
    pub fn wait_until(&self, limit: Duration, mut met: impl FnMut(&Account) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let mut account = self.lock();
        loop {
            if met(&account) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = self.book.written.wait_timeout(account, left);
            account = woken.expect("no writer panics while it holds the ledger").0;
        }
    }

    /// What is written so far, to ask questions of.
    pub fn account(&self) -> Account {
        self.lock().clone()
    }

    /// A record of a flow nobody opened comes from another scenario's traffic: it is not written down.
    fn note(&self, flow: Flow, write: impl FnOnce(&mut Notes)) {
        if let Some(notes) = self.lock().notes_of(flow) {
            write(notes);
            self.book.written.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Account> {
        self.book
            .account
            .lock()
            .expect("no writer panics while it holds the ledger")
    }
}

impl Notes {
    fn new(transport: Transport) -> Self {
        Self {
            transport,
            sent: Vec::new(),
            received: Vec::new(),
            answered: Vec::new(),
            accepted: None,
            closed: None,
            broken: None,
        }
    }
}
