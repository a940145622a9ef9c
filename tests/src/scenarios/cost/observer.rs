//! `observer-cost`: what the probe costs per forwarded packet, UDP and TCP, by fentry and as a kprobe; and what
//! counting arrivals adds, each way.
//!
//! The observer alone, without the daemon around it: `packets` has that.

use std::net::Ipv4Addr;

use anyhow::Result;
use ipvsdrain::identity::{Protocol, RealServer, VirtualService};
use ipvsdrain::observe::{Hook, Observer, Preference, Sources};
use serde_json::{Map, Value, json};

use super::packet::{PORT, Packet, datagram, least_instructions, segment};
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "observer-cost",
    about: "instructions per packet, UDP and TCP: nothing attached, another server watched, this server watched",
    programs: &[],
    observes: true,
    run,
};

/// One way to observe. What it costs is told and not judged: it also depends on what ran on this kernel before.
struct Case {
    name: &'static str,
    hook: Option<Hook>,
    arrivals: Preference,
}

const fn alone(name: &'static str, hook: Hook) -> Case {
    Case {
        name,
        hook: Some(hook),
        arrivals: Preference::Off,
    }
}

const fn with_arrivals(name: &'static str, arrivals: Preference) -> Case {
    Case {
        name,
        hook: None,
        arrivals,
    }
}

const CASES: [Case; 5] = [
    alone("fentry", Hook::Fentry),
    alone("kprobe", Hook::Kprobe),
    with_arrivals("arrivals, classifier", Preference::Auto),
    // On a veth the kernel copies what XDP is to see.
    with_arrivals("arrivals, generic XDP", Preference::XdpGeneric),
    with_arrivals("arrivals, native XDP", Preference::Xdp),
];

fn run(_stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 1)?;
    // A classifier needs it before 6.6. What it costs by itself is in every figure, and so in no difference.
    world.director().machine().add_clsact()?;
    let udp = cost(&world, Protocol::Udp, datagram)?;
    let tcp = cost(&world, Protocol::Tcp, segment)?;
    Ok(json!({"udp": udp, "tcp": tcp}))
}

/// The costs of one protocol. `traffic` makes its sockets once the service is there.
fn cost(world: &World, protocol: Protocol, traffic: fn(&World) -> Result<Packet>) -> Result<Value> {
    let director = world.director();
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = director.balance(protocol, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let this = RealServer((world.server(Server(1)).address(), PORT).into());
    let another = RealServer((Ipv4Addr::new(10, 1, 0, 99), PORT).into());

    let mut costs = Map::new();
    for case in CASES {
        let sources = Sources {
            hook: case.hook,
            arrivals: case.arrivals,
            ..Sources::default()
        };
        let mut observer = director.machine().within(|| Observer::prepare(&sources))?;
        // Sockets of its own, because a TCP connection grows dearer at a certain age.
        let mut packet = traffic(world)?;
        least_instructions(&mut packet)?;
        let spent = spent(world, &mut observer, &mut packet, &service, [&another, &this])?;
        costs.insert(case.name.to_owned(), spent.told());
    }
    Ok(costs.into())
}

/// Instructions per packet.
#[derive(Debug)]
struct Spent {
    nothing_attached: [f64; 3],
    another_watched: f64,
    watched: f64,
    attached: Vec<String>,
}

impl Spent {
    fn told(&self) -> Value {
        json!({
            "nothing_attached": self.nothing_attached.map(f64::round),
            "another_watched": self.another_watched.round(),
            "watched": self.watched.round(),
            "attached": self.attached,
        })
    }
}

/// What `packet` costs while nothing, then `another`, then `this` server is watched. It goes to `this`, which is a
/// neighbour of `another`: while arrivals are counted, the packets of both are looked at.
fn spent(
    world: &World,
    observer: &mut Observer,
    packet: &mut Packet,
    service: &VirtualService,
    [another, this]: [&RealServer; 2],
) -> Result<Spent> {
    let director = world.director().machine();
    let mut attached = Vec::new();
    let mut with = |server: &RealServer, packet: &mut Packet| -> Result<[f64; 2]> {
        director.within(|| {
            observer.set_neighbours([this.0.ip()].into())?;
            observer.watch(service, server)
        })?;
        attached = observer.attached();
        let watched = least_instructions(packet)?;
        director.within(|| observer.unwatch(service, server))?;
        Ok([watched, least_instructions(packet)?])
    };
    let first = least_instructions(packet)?;
    let [another_watched, second] = with(another, packet)?;
    let [watched, third] = with(this, packet)?;
    // Whatever else the kernel does can only make a measurement larger, so the least is the base.
    let base = first.min(second).min(third);
    Ok(Spent {
        nothing_attached: [first, second, third],
        another_watched: another_watched - base,
        watched: watched - base,
        attached,
    })
}
