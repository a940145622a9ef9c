//! Traffic with a ledger: UDP flows and TCP connections from the client, receivers on every real server.
//!
//! Owns starting them together and ending them in the order that loses nothing: senders first, which wait for
//! outstanding replies, then receivers, which read until no more arrives.

mod echo;
mod flood;
mod sctp;
mod stop;
mod tcp_client;
mod tcp_server;
mod udp_receiver;
mod udp_sender;
mod worker;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use ipvsdrain::identity::Family;

pub use flood::{Flood, MOST_FLOWS};
pub use sctp::{connect_sctp, listen_sctp};
pub use stop::{Stop, Wake};
pub use tcp_client::TcpConnection;
pub use udp_sender::{UdpFlow, short_udp_flows};
pub use worker::Worker;

use crate::ledger::{Account, Ledger};
use crate::world::World;

/// How long a client waits for replies that are under way when it is asked to stop.
const PATIENCE: Duration = Duration::from_secs(2);
/// A receiver that was asked to stop ends once nothing has arrived for this long.
const SILENCE: Duration = Duration::from_millis(200);

/// Do real servers answer datagrams?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replies {
    /// Each datagram is echoed.
    Echo,
    /// Each datagram is echoed, this much later.
    Late(Duration),
    /// Datagrams go one way.
    None,
}

impl Replies {
    /// How long a client waits for a reply before it takes it to be lost.
    fn patience(self) -> Duration {
        match self {
            Replies::Echo | Replies::None => PATIENCE,
            Replies::Late(by) => by + PATIENCE,
        }
    }
}

/// The traffic of one scenario.
#[derive(Debug)]
pub struct Traffic<'world> {
    world: &'world World,
    family: Family,
    ledger: Ledger,
    senders: Vec<Worker>,
    receivers: Vec<Worker>,
}

impl<'world> Traffic<'world> {
    pub fn new(world: &'world World) -> Self {
        Self::over(Family::V4, world)
    }

    /// Traffic of this family; IPv6 needs a world with both.
    pub fn over(family: Family, world: &'world World) -> Self {
        Self {
            world,
            family,
            ledger: Ledger::new(),
            senders: Vec::new(),
            receivers: Vec::new(),
        }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Every real server receives datagrams on `port` from now on.
    pub fn receive_udp(&mut self, port: u16, replies: Replies) -> Result<()> {
        for (server, machine) in self.world.servers() {
            let address = self.world.listen_address_in(self.family, server, port);
            let worker = udp_receiver::start(machine, server, address, replies, &self.ledger)?;
            self.receivers.push(worker);
        }
        Ok(())
    }

    /// Every real server accepts connections on `port` and echoes their records from now on.
    pub fn receive_tcp(&mut self, port: u16) -> Result<()> {
        for (server, machine) in self.world.servers() {
            let address = self.world.listen_address_in(self.family, server, port);
            self.receivers
                .push(tcp_server::start(machine, server, address, &self.ledger)?);
        }
        Ok(())
    }

    /// The client sends these flows to the VIP. They are in order of their start; there may be endlessly many.
    pub fn send_udp(
        &mut self,
        port: u16,
        replies: Replies,
        flows: impl IntoIterator<Item = UdpFlow, IntoIter: Send + 'static>,
    ) -> Result<()> {
        let flows = flows.into_iter();
        let to = self.vip(port);
        self.senders.push(udp_sender::start(
            self.world.client(),
            to,
            replies,
            flows,
            &self.ledger,
        )?);
        Ok(())
    }

    /// The client holds this connection to the VIP.
    pub fn connect_tcp(&mut self, port: u16, connection: TcpConnection) -> Result<()> {
        let to = self.vip(port);
        self.senders.push(tcp_client::start(
            self.world.client(),
            to,
            connection,
            &self.ledger,
        )?);
        Ok(())
    }

    /// The client makes one short connection after the other: one record, its echo, and a close.
    pub fn connect_short_tcp(&mut self, port: u16, every: Duration) -> Result<()> {
        let to = self.vip(port);
        self.senders.push(tcp_client::start_short(
            self.world.client(),
            to,
            every,
            &self.ledger,
        )?);
        Ok(())
    }

    fn vip(&self, port: u16) -> SocketAddr {
        SocketAddr::new(World::vip(self.family), port)
    }

    /// Stops everything; the account is final.
    pub fn finish(mut self) -> Result<Account> {
        end(&mut self.senders)?;
        end(&mut self.receivers)?;
        Ok(self.ledger.account())
    }
}

/// Senders before receivers also when a scenario gives up half-way.
impl Drop for Traffic<'_> {
    fn drop(&mut self) {
        self.senders.clear();
        self.receivers.clear();
    }
}

/// All are asked before the first is waited for.
fn end(workers: &mut Vec<Worker>) -> Result<()> {
    for worker in workers.iter() {
        worker.ask_to_stop();
    }
    workers.drain(..).try_for_each(Worker::finish)
}
