//! A flood of flows: one datagram each from ever other source addresses and ports, received and counted at the servers.
//!
//! Owns the client's raw socket and one receiver per real server. Keeps no ledger: a flood is too large for a record
//! per datagram. It sends in bursts that the receivers have room for and waits for each of them, so nothing is lost
//! for want of room here, and a datagram that does not arrive is an error.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};

use crate::clock;
use crate::ledger::Server;
use crate::world::{VIP, World};

/// How many flows have an address and a port of their own.
pub const MOST_FLOWS: u32 = ADDRESSES * PORTS;

/// Below 10.9.0.0/16, where the client is; the servers know the way back to none of them, and none is answered.
const FIRST_ADDRESS: u32 = u32::from_be_bytes([10, 9, 128, 0]);
const ADDRESSES: u32 = 1000;
const FIRST_PORT: u16 = 2000;
const PORTS: u32 = 60_000;

/// A burst fits into a receiver's default buffer, whichever server it goes to.
const BURST: usize = 64;
const PATIENCE: Duration = Duration::from_secs(5);

/// The client's and the servers' ends of a flood.
#[derive(Debug)]
pub struct Flood {
    /// Takes whole IP packets, whatever source they name.
    client: OwnedFd,
    to: SocketAddrV4,
    servers: Vec<Receiver>,
    sent: u64,
}

#[derive(Debug)]
struct Receiver {
    server: Server,
    socket: UdpSocket,
    received: u64,
}

impl Flood {
    /// Readies the client, and receives on `port` at every real server from now on.
    pub fn open(world: &World, port: u16) -> Result<Self> {
        let client = world
            .client()
            .within(|| {
                let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
                socket(AddressFamily::Inet, kind, flags, SockProtocol::Raw)
            })
            .context("cannot open a raw socket: run as root (CAP_NET_RAW)")?;
        let receiver = |(server, machine): (Server, &crate::world::Machine)| {
            let address = world.listen_address(server, port);
            let socket = machine
                .within(|| UdpSocket::bind(address))
                .with_context(|| format!("cannot bind udp {address} in namespace {}", machine.name()))?;
            socket.set_nonblocking(true)?;
            anyhow::Ok(Receiver {
                server,
                socket,
                received: 0,
            })
        };
        Ok(Self {
            client,
            to: SocketAddrV4::new(VIP, port),
            servers: world.servers().map(receiver).collect::<Result<_>>()?,
            sent: 0,
        })
    }

    /// Sends one datagram of each of these flows, and comes back once every one of them has reached a server.
    pub fn send(&mut self, flows: Range<u32>) -> Result<()> {
        ensure!(flows.end <= MOST_FLOWS, "a flood has {MOST_FLOWS} flows at most");
        let to = SockaddrIn::from(self.to);
        let flows: Vec<u32> = flows.collect();
        for burst in flows.chunks(BURST) {
            for flow in burst {
                let datagram = datagram(source(*flow), self.to);
                sendto(self.client.as_raw_fd(), &datagram, &to, MsgFlags::empty())
                    .with_context(|| format!("cannot send the datagram of flow {flow}"))?;
                self.sent += 1;
            }
            self.await_all()
                .with_context(|| format!("flows {burst:?} of the flood"))?;
        }
        Ok(())
    }

    /// Datagrams sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Datagrams this server has received so far.
    pub fn received(&self, server: Server) -> u64 {
        let of = |receiver: &&Receiver| receiver.server == server;
        self.servers
            .iter()
            .find(of)
            .map_or(0, |receiver| receiver.received)
    }

    /// Waits until as many datagrams were received as were sent.
    fn await_all(&mut self) -> Result<()> {
        let deadline = clock::now() + PATIENCE;
        loop {
            for receiver in &mut self.servers {
                receiver.take_all()?;
            }
            let received: u64 = self.servers.iter().map(|receiver| receiver.received).sum();
            if received == self.sent {
                return Ok(());
            }
            if received > self.sent || clock::now() >= deadline {
                bail!("{} datagrams were sent in all and {received} received", self.sent);
            }
            let sockets: Vec<_> = self
                .servers
                .iter()
                .map(|receiver| receiver.socket.as_fd())
                .collect();
            super::stop::wait_for(&sockets, deadline)?;
        }
    }
}

impl Receiver {
    fn take_all(&mut self) -> Result<()> {
        loop {
            match self.socket.recv(&mut [0; 1]) {
                Ok(_) => self.received += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot receive the flood"),
            }
        }
    }
}

/// Neighbours in number differ in address first, then in port.
fn source(flow: u32) -> SocketAddrV4 {
    let address = Ipv4Addr::from(FIRST_ADDRESS + flow % ADDRESSES);
    let port = u16::try_from(flow / ADDRESSES).expect("fewer ports than u16 holds");
    SocketAddrV4::new(address, FIRST_PORT + port)
}

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const LENGTH: usize = IP_HEADER + UDP_HEADER + 1;

/// A datagram of one byte as a whole IP packet. The kernel fills in the header's checksum; that of UDP is left out.
fn datagram(from: SocketAddrV4, to: SocketAddrV4) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    packet[0] = 0x45; // version 4, 5 words of header
    packet[3] = LENGTH.to_be_bytes()[7];
    packet[8] = 64; // hops
    packet[9] = 17; // UDP
    packet[12..16].copy_from_slice(&from.ip().octets());
    packet[16..20].copy_from_slice(&to.ip().octets());
    packet[20..22].copy_from_slice(&from.port().to_be_bytes());
    packet[22..24].copy_from_slice(&to.port().to_be_bytes());
    packet[25] = (UDP_HEADER + 1).to_be_bytes()[7];
    packet[28] = b'x';
    packet
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn flows_differ_in_their_source() {
        let sources: BTreeSet<_> = (0..200_000).map(source).collect();
        assert_eq!(sources.len(), 200_000);
        assert_eq!(source(0).to_string(), "10.9.128.0:2000");
        assert_eq!(source(MOST_FLOWS - 1).to_string(), "10.9.131.231:61999");
    }

    #[test]
    fn a_datagram_names_both_ends_and_its_lengths() {
        let from = SocketAddrV4::new([10, 9, 128, 1].into(), 2000);
        let packet = datagram(from, SocketAddrV4::new(VIP, 53));
        assert_eq!(packet[..4], [0x45, 0, 0, 29]);
        assert_eq!(packet[12..20], [10, 9, 128, 1, 10, 0, 0, 1]);
        assert_eq!(packet[20..28], [0x07, 0xd0, 0, 53, 0, 9, 0, 0]);
    }
}
