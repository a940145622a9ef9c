//! `kernel-reference`: without any daemon, the ledger sees what the kernel is known to do.
//!
//! It anchors the world, the traffic and the ledger on the kernel itself, for each forwarding method: nothing is
//! lost while nothing changes, and a deleted server's flows are lost exactly from the deletion on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use crate::clock;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, TcpConnection, Traffic, UdpFlow};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "kernel-reference",
    about: "the ledger sees no loss in an undisturbed pool, and the known black hole after a delete",
    programs: &[],
    observes: false,
    run,
};

const UDP: u16 = 5300;
const TCP: u16 = 7000;

fn run(stage: &mut Stage) -> Result<Value> {
    let mut seen = Vec::new();
    for forwarding in [
        Forwarding::DirectRoute,
        Forwarding::Masquerade,
        Forwarding::Tunnel,
    ] {
        stage.progress(json!({"forwarding": format!("{forwarding:?}")}));
        seen.push(one(forwarding).with_context(|| format!("under {forwarding:?}"))?);
    }
    Ok(json!(seen))
}

fn one(forwarding: Forwarding) -> Result<Value> {
    let began = clock::now();
    let world = World::build(forwarding, 3)?;
    let built = clock::now().since(began).as_secs_f64();
    let addresses = || world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, UDP, "rr", forwarding, addresses())?;
    world
        .director()
        .balance(Protocol::Tcp, TCP, "rr", forwarding, addresses())?;

    let mut traffic = Traffic::new(&world);
    traffic.receive_udp(UDP, Replies::Echo)?;
    traffic.receive_tcp(TCP)?;
    let every = Duration::from_millis(200);
    let fixed = |port| UdpFlow {
        starts: Duration::ZERO,
        lasts: None,
        every,
        source_port: Some(port),
    };
    traffic.send_udp(UDP, Replies::Echo, [fixed(40_001), fixed(40_002), fixed(40_003)])?;
    for _ in 0..3 {
        let plan = TcpConnection {
            starts: Duration::ZERO,
            lasts: None,
            every: Some(every),
        };
        traffic.connect_tcp(TCP, plan)?;
    }
    clock::pass(Duration::from_secs(10));
    let calm = traffic.ledger().account();
    let before = clock::now();
    world.director().delete(world.place(service, Server(1), UDP))?;
    clock::pass(Duration::from_secs(20));
    let account = traffic.finish()?;

    for (server, _) in world.servers() {
        let flows = calm.flows_of(server).count();
        ensure!(
            flows == 2,
            "{flows} of the 6 flows reached {server:?}; expected one UDP and one TCP flow"
        );
    }
    let pinned = calm
        .flows_of(Server(1))
        .find(|flow| account.of(*flow).is_some_and(|flow| !flow.lost.is_empty()))
        .with_context(|| {
            format!(
                "the deleted server's UDP flow lost nothing: {}",
                account.faults(9)
            )
        })?;
    let lost = account.of(pinned).map(|flow| flow.lost).unwrap_or_default();
    ensure!(
        account.lost() == lost.len(),
        "only the deleted server's flow may lose: {}",
        account.faults(9)
    );
    ensure!(
        (98..=101).contains(&lost.len()) && lost.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "20 s of 5 datagrams a second were to be lost in a row; lost {lost:?}"
    );
    ensure!(account.duplicated() == 0, "duplicated: {}", account.faults(9));
    ensure!(
        account.unanswered() == 0,
        "{} records were received and their echo never came back: {}",
        account.unanswered(),
        account.faults(9)
    );
    ensure!(
        account.received_after(Server(1), before) > 0,
        "the TCP service was not touched, yet server1 got no more"
    );
    Ok(
        json!({"forwarding": format!("{forwarding:?}"), "sent": account.sent(), "lost": lost.len(), "built_seconds": built}),
    )
}
