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
const DATAGRAMS: u32 = 5000;
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

    instructions(&client, &server)?;
    let nothing = instructions(&client, &server)?;
    observer.watch(&service, &another)?;
    let unwatched = instructions(&client, &server)? - nothing;
    observer.watch(&service, &this)?;
    let watched = instructions(&client, &server)? - nothing;
    observer.unwatch(&service, &this)?;
    observer.unwatch(&service, &another)?;
    let after = instructions(&client, &server)? - nothing;
    ensure!(
        unwatched < MOST && watched < MOST,
        "too dear: {unwatched:.0} and {watched:.0} instructions"
    );
    Ok(json!({
        "datagram": nothing.round(),
        "another_watched": unwatched.round(),
        "watched": watched.round(),
        "after_detach": after.round(),
    }))
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
