//! `observer-cost`: what the probe costs per forwarded packet, UDP and TCP, alone and with arrivals counted each way.
//!
//! Judges little, measures: under virtual time the guest's clock counts instructions (2 ns each), so its figures
//! repeat within about a percent whatever else this machine does. With `--realtime` they mean nothing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::{Protocol, RealServer, VirtualService};
use ipvsdrain::observe::{Observer, Preference, Sources};
use serde_json::{Value, json};

use crate::clock;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, VIP, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "observer-cost",
    about: "instructions per packet, UDP and TCP: nothing attached, another server watched, this one; arrivals each way",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 5300;
const PACKETS: u32 = 2000;
const ROUNDS: usize = 5;
const NANOS_PER_INSTRUCTION: f64 = 2.0;
const PATIENCE: Duration = Duration::from_secs(5);
/// A forwarded datagram costs some 16,000 instructions in all; more than these would be a mistake.
const MOST_ANOTHER: f64 = 700.0;
const MOST_WATCHED: f64 = 1700.0;
const MOST_WITH_CLASSIFIER: f64 = 3500.0;
/// On a veth the kernel copies what XDP is to see.
const MOST_WITH_XDP: f64 = 20_000.0;

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 1)?;
    let mut ways = Vec::new();
    for arrivals in [
        Preference::Off,
        Preference::Auto,
        Preference::XdpGeneric,
        Preference::Xdp,
    ] {
        let sources = Sources {
            arrivals,
            ..Sources::default()
        };
        let machine = world.director().machine();
        ways.push((arrivals, machine.within(|| Observer::prepare(&sources))?));
    }
    let mut told = json!({});
    for (name, protocol, traffic) in [
        ("udp", Protocol::Udp, datagram as fn(&World) -> Result<Packet>),
        ("tcp", Protocol::Tcp, segment),
    ] {
        stage.progress(json!({"protocol": name}));
        let mut bench = Bench::set_up(&world, protocol, traffic)?;
        for (arrivals, observer) in &mut ways {
            let costs = bench
                .costs(observer)
                .with_context(|| format!("{name}, {arrivals}"))?;
            told[name][arrivals.to_string()] = costs.judge(*arrivals)?;
        }
        told[name]["nothing_attached"] =
            json!(bench.bases.iter().map(|base| base.round()).collect::<Vec<_>>());
    }
    Ok(told)
}

/// Sends one byte from the client through the director; comes back when it arrived.
type Packet = Box<dyn FnMut() -> Result<()>>;

/// One protocol's traffic, to a service with one real server.
struct Bench<'world> {
    world: &'world World,
    service: VirtualService,
    packet: Packet,
    /// The whole round with nothing attached, before and after each measurement.
    bases: Vec<f64>,
}

/// Instructions on top of the base.
struct Costs {
    attached: Vec<String>,
    another_watched: f64,
    watched: f64,
}

impl<'world> Bench<'world> {
    /// `traffic` makes its sockets once the service is there.
    fn set_up(
        world: &'world World,
        protocol: Protocol,
        traffic: fn(&World) -> Result<Packet>,
    ) -> Result<Self> {
        let addresses = world.servers().map(|(_, machine)| machine.address());
        let service = world
            .director()
            .balance(protocol, PORT, "rr", Forwarding::DirectRoute, addresses)?;
        let mut packet = traffic(world)?;
        least_instructions(&mut packet)?;
        let base = least_instructions(&mut packet)?;
        Ok(Self {
            world,
            service,
            packet,
            bases: vec![base],
        })
    }

    fn costs(&mut self, observer: &mut Observer) -> Result<Costs> {
        let this = RealServer((self.world.server(Server(1)).address(), PORT).into());
        let another = RealServer((Ipv4Addr::new(10, 1, 0, 99), PORT).into());
        let mut attached = Vec::new();
        let another_watched = self.cost(observer, another, &mut attached)?;
        let watched = self.cost(observer, this, &mut attached)?;
        Ok(Costs {
            attached,
            another_watched,
            watched,
        })
    }

    /// What a packet of the one server costs more while `watched` is watched. The server is a neighbour: while arrivals
    /// are counted, its packets are looked at.
    fn cost(
        &mut self,
        observer: &mut Observer,
        watched: RealServer,
        attached: &mut Vec<String>,
    ) -> Result<f64> {
        let director = self.world.director().machine();
        let service = &self.service;
        let this = self.world.server(Server(1)).address();
        director.within(|| {
            observer.set_neighbours([this.into()].into())?;
            observer.watch(service, &watched)
        })?;
        *attached = observer.attached();
        let with = least_instructions(&mut self.packet)?;
        director.within(|| observer.unwatch(service, &watched))?;
        let after = least_instructions(&mut self.packet)?;
        let before = self.bases.last().copied().unwrap_or(after);
        self.bases.push(after);
        Ok(with - f64::midpoint(before, after))
    }
}

impl Costs {
    fn judge(&self, arrivals: Preference) -> Result<Value> {
        let (way, most_another, most_watched) = match arrivals {
            Preference::Off => (None, MOST_ANOTHER, MOST_WATCHED),
            Preference::Auto => (Some("tc"), MOST_WITH_CLASSIFIER, MOST_WITH_CLASSIFIER),
            Preference::Xdp => (Some("xdp:"), MOST_WITH_XDP, MOST_WITH_XDP),
            Preference::XdpGeneric => (Some("xdp-generic:"), MOST_WITH_XDP, MOST_WITH_XDP),
        };
        let Costs {
            attached,
            another_watched,
            watched,
        } = self;
        let found = attached.iter().find(|name| !name.starts_with("kprobe:"));
        let is_right = match (way, found) {
            (Some(way), Some(name)) => name.starts_with(way),
            (None, None) => true,
            _ => false,
        };
        ensure!(is_right, "{arrivals}: attached is {attached:?}");
        ensure!(
            *another_watched < most_another && *watched < most_watched,
            "{arrivals}: too dear: {another_watched:.0} and {watched:.0} instructions"
        );
        Ok(json!({
            "attached": attached,
            "another_watched": another_watched.round(),
            "watched": watched.round(),
        }))
    }
}

fn datagram(world: &World) -> Result<Packet> {
    let address = world.listen_address(Server(1), PORT);
    let server = world.server(Server(1)).within(|| UdpSocket::bind(address))?;
    server.set_read_timeout(Some(PATIENCE))?;
    let client = world
        .client()
        .within(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
    client.connect((VIP, PORT))?;
    Ok(Box::new(move || {
        client.send(b"x")?;
        server.recv(&mut [0; 1]).context("the server got nothing")?;
        Ok(())
    }))
}

/// One segment of a connection. The server's answer carries its acknowledgement past the director, and the next
/// segment carries the client's, so that one packet in each round passes through IPVS.
fn segment(world: &World) -> Result<Packet> {
    let address = world.listen_address(Server(1), PORT);
    let listener = world.server(Server(1)).within(|| TcpListener::bind(address))?;
    let mut client = world.client().within(|| TcpStream::connect((VIP, PORT)))?;
    let (mut server, _) = listener.accept()?;
    for socket in [&client, &server] {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
    }
    Ok(Box::new(move || {
        client.write_all(b"x")?;
        server.read_exact(&mut [0; 1]).context("the server got nothing")?;
        server.write_all(b"x")?;
        client.read_exact(&mut [0; 1]).context("the client got nothing")?;
        Ok(())
    }))
}

/// The least of several rounds: work of the kernel's own, such as freeing maps, falls into some of them.
fn least_instructions(packet: &mut Packet) -> Result<f64> {
    // Lets what the kernel does after an attach or a detach come to its end.
    clock::pass(Duration::from_secs(3));
    let rounds = (0..ROUNDS)
        .map(|_| instructions(packet))
        .collect::<Result<Vec<_>>>()?;
    Ok(rounds.into_iter().fold(f64::INFINITY, f64::min))
}

/// Instructions per packet, sent, forwarded and received one by one.
fn instructions(packet: &mut Packet) -> Result<f64> {
    let began = clock::now();
    for _ in 0..PACKETS {
        packet()?;
    }
    let spent = clock::now().since(began);
    Ok(spent.as_secs_f64() * 1e9 / f64::from(PACKETS) / NANOS_PER_INSTRUCTION)
}
