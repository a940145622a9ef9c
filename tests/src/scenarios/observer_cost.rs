//! `observer-cost`: what the probe costs per forwarded datagram.
//!
//! Judges little, measures: under virtual time the guest's clock counts instructions (2 ns each), so its figures
//! repeat within about a percent whatever else this machine does. With `--realtime` they mean nothing.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::{Protocol, RealServer};
use ipvsdrain::observe::{Observer, Sources};
use serde_json::{Value, json};

use crate::clock;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, VIP, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "observer-cost",
    about: "instructions per datagram: nothing attached, another server watched, this server watched",
    programs: &[],
    observes: true,
    run,
};

const UDP: u16 = 5300;
const DATAGRAMS: u32 = 2000;
const ROUNDS: usize = 5;
const NANOS_PER_INSTRUCTION: f64 = 2.0;
/// A forwarded datagram costs some 15,000 instructions in all; more than this would be a mistake.
const MOST: f64 = 4000.0;

fn run(_stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 1)?;
    let director = world.director();
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = director.balance(Protocol::Udp, UDP, "rr", Forwarding::DirectRoute, addresses)?;
    let address = world.listen_address(Server(1), UDP);
    let server = world.server(Server(1)).within(|| UdpSocket::bind(address))?;
    server.set_read_timeout(Some(Duration::from_secs(5)))?;
    let client = world
        .client()
        .within(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
    client.connect((VIP, UDP))?;
    let mut observer = director
        .machine()
        .within(|| Observer::prepare(&Sources::default()))?;
    let this = RealServer((world.server(Server(1)).address(), UDP).into());
    let another = RealServer((Ipv4Addr::new(10, 1, 0, 99), UDP).into());

    let measure = || least_instructions(&client, &server);
    measure()?;
    let first = measure()?;
    observer.watch(&service, &another)?;
    let another_watched = measure()?;
    observer.unwatch(&service, &another)?;
    let second = measure()?;
    observer.watch(&service, &this)?;
    let watched = measure()?;
    observer.unwatch(&service, &this)?;
    let third = measure()?;

    // What surrounds each measurement is its base.
    let another_watched = another_watched - f64::midpoint(first, second);
    let watched = watched - f64::midpoint(second, third);
    ensure!(
        another_watched < MOST && watched < MOST,
        "too dear: {another_watched:.0} and {watched:.0} instructions"
    );
    Ok(json!({
        "nothing_attached": [first.round(), second.round(), third.round()],
        "another_watched": another_watched.round(),
        "watched": watched.round(),
    }))
}

/// The least of several rounds: work of the kernel's own, such as freeing maps, falls into some of them.
fn least_instructions(client: &UdpSocket, server: &UdpSocket) -> Result<f64> {
    // Lets what the kernel does after an attach or a detach come to its end.
    clock::pass(Duration::from_secs(3));
    let rounds = (0..ROUNDS)
        .map(|_| instructions(client, server))
        .collect::<Result<Vec<_>>>()?;
    Ok(rounds.into_iter().fold(f64::INFINITY, f64::min))
}

/// Instructions per datagram, sent, forwarded and received one by one.
fn instructions(client: &UdpSocket, server: &UdpSocket) -> Result<f64> {
    let began = clock::now();
    for _ in 0..DATAGRAMS {
        client.send(b"x")?;
        server.recv(&mut [0; 1]).context("the server got nothing")?;
    }
    let spent = clock::now().since(began);
    Ok(spent.as_secs_f64() * 1e9 / f64::from(DATAGRAMS) / NANOS_PER_INSTRUCTION)
}
