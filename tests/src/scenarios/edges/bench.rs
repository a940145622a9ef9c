//! A world with one watched server, and the two opinions about its packets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::{Family, Protocol, RealServer, VirtualService};
use ipvsdrain::observe::{Observer, QuietWindows, Reading, Sources};

use crate::clock;
use crate::world::{Forwarding, Machine, Place, World};

pub(super) const PORT: u16 = 5300;
/// How long a silent flow stays live here.
pub(super) const QUIET: Duration = Duration::from_secs(10);
/// The observer counts by the second.
pub(super) const WELL_AFTER: Duration = Duration::from_secs(12);
/// The kernel renews its counters every 2 s.
const COUNTERS_SETTLE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Bench {
    pub(super) world: World,
    observer: Observer,
    place: Place,
}

impl Bench {
    /// Balances `protocol` on the VIP to `server` alone, and watches it.
    pub(super) fn set_up(
        world: World,
        forwarding: Forwarding,
        protocol: Protocol,
        server: IpAddr,
    ) -> Result<Self> {
        let family = Family::of(server);
        let service = VirtualService::Address {
            protocol,
            addr: (World::vip(family), PORT).into(),
        };
        let server = RealServer((server, PORT).into());
        let director = world.director();
        director.add(&service, "-s rr", forwarding, [(server, 1)])?;
        let mut observer = director
            .machine()
            .within(|| Observer::prepare(&Sources::default()))?;
        observer.watch(&service, &server)?;
        Ok(Self {
            world,
            observer,
            place: Place { service, server },
        })
    }

    pub(super) fn read(&self) -> Result<Reading> {
        let quiet = QuietWindows {
            udp: QUIET,
            tcp: QUIET,
            closing: QUIET,
        };
        let Place { service, server } = &self.place;
        let reading = self.observer.read(service, server, &quiet, clock::now())?;
        ensure!(
            reading.mistaken == 0 && reading.untracked == 0,
            "not all was understood: {reading:?}"
        );
        Ok(reading)
    }

    /// The kernel's own counts of packets in and out, once they are settled.
    pub(super) fn kernel_counts(&self) -> Result<(u64, u64)> {
        clock::pass(COUNTERS_SETTLE);
        self.world.director().packets(&self.place.server)
    }

    /// The client's socket, connected to the VIP.
    pub(super) fn client(&self) -> Result<UdpSocket> {
        let family = self.place.service.family();
        let any: IpAddr = match family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = bind(self.world.client(), (any, 0).into())?;
        socket.connect((World::vip(family), PORT))?;
        Ok(socket)
    }
}

/// A socket in this machine that waits for a datagram, but not for ever.
pub(super) fn bind(machine: &Machine, address: SocketAddr) -> Result<UdpSocket> {
    let socket = machine
        .within(|| UdpSocket::bind(address))
        .with_context(|| format!("cannot bind udp {address} in namespace {}", machine.name()))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// The client's datagram, echoed by the server; both sides get all of it.
pub(super) fn echo(client: &UdpSocket, server: &UdpSocket, datagram: &[u8]) -> Result<SocketAddr> {
    let mut room = vec![0; datagram.len() + 1];
    client.send(datagram)?;
    let (length, from) = server.recv_from(&mut room).context("the server got nothing")?;
    ensure!(
        length == datagram.len(),
        "the server got {length} of {} bytes",
        datagram.len()
    );
    server.send_to(&room[..length], from)?;
    let length = client.recv(&mut room).context("the client got no answer")?;
    ensure!(
        length == datagram.len(),
        "the client got {length} of {} bytes",
        datagram.len()
    );
    Ok(from)
}
