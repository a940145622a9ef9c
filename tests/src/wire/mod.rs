//! The ledger of the wire: every packet that the client and the real servers sent or got, written down by taps on
//! their interfaces. It needs no help from the programs at either end, so it serves real ones, and it asks no daemon.
//!
//! Owns the taps and their book. [`datagrams`] and [`connections`] answer questions about it.

mod connections;
mod datagrams;
mod packet;
mod tap;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use ipvsdrain::moment::Moment;

use crate::clock;
use crate::ledger::Server;
use crate::traffic::Worker;
use crate::world::World;
pub use connections::Connections;
pub use datagrams::Datagrams;
use packet::Packet;

/// Packets are under way for less time than this.
const UNDER_WAY: Duration = Duration::from_millis(500);

/// Where a tap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    Client,
    Server(Server),
}

/// One packet that passed a tap.
#[derive(Debug, Clone, Copy)]
struct Note {
    at: Moment,
    spot: Spot,
    /// Sent by the machine, not received.
    is_out: bool,
    packet: Packet,
}

/// The taps at work; dropping them ends them.
#[derive(Debug)]
pub struct Wire {
    taps: Vec<Worker>,
    book: Arc<tap::Book>,
}

impl Wire {
    pub fn start(world: &World) -> Result<Self> {
        let book = Arc::default();
        let mut taps = vec![tap::start(world.client(), Spot::Client, &book)?];
        for (server, machine) in world.servers() {
            taps.push(tap::start(machine, Spot::Server(server), &book)?);
        }
        Ok(Self { taps, book })
    }

    /// Who got the newest of the client's packets for `port`.
    pub fn newest_receiver(&self, world: &World, port: u16) -> Option<Server> {
        let notes = self.book.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let client = world.client().address();
        notes.iter().rev().find_map(|note| match note.spot {
            Spot::Server(server) if !note.is_out && *note.packet.from.ip() == client => {
                (note.packet.to.port() == port).then_some(server)
            }
            _ => None,
        })
    }

    /// Ends the taps once what is under way has arrived. What a tap had no room for would look lost: an error.
    pub fn finish(mut self, world: &World, port: u16) -> Result<Account> {
        clock::pass(UNDER_WAY);
        let end = clock::now();
        for tap in &self.taps {
            tap.ask_to_stop();
        }
        self.taps.drain(..).try_for_each(Worker::finish)?;
        let missed = self.book.missed.load(Ordering::Relaxed);
        ensure!(
            missed == 0,
            "the taps missed {missed} packets: the guest is too busy"
        );
        let mut notes = std::mem::take(&mut *self.book.notes.lock().unwrap_or_else(PoisonError::into_inner));
        let client = world.client().address();
        // Checks of the servers come from the director: they are no traffic.
        notes.retain(|note| {
            let Packet { from, to, .. } = note.packet;
            (*from.ip() == client && to.port() == port) || (*to.ip() == client && from.port() == port)
        });
        // Two taps write at the same time: of one moment, the order is as good as any.
        notes.sort_by_key(|note| note.at);
        Ok(Account { notes, end })
    }
}

/// What passed between the client and the servers of one port, in the order of time.
#[derive(Debug)]
pub struct Account {
    notes: Vec<Note>,
    end: Moment,
}

impl Account {
    pub fn datagrams(&self) -> Datagrams {
        Datagrams::of(&self.notes)
    }

    pub fn connections(&self) -> Connections {
        Connections::of(&self.notes, self.end)
    }

    /// When this server got the last of the client's packets, up to `until`.
    pub fn last_packet(&self, server: Server, until: Moment) -> Option<Moment> {
        let to_it = |note: &&Note| note.spot == Spot::Server(server) && !note.is_out && note.at <= until;
        self.notes.iter().rev().find(to_it).map(|note| note.at)
    }
}
