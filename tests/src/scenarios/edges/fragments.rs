//! Datagrams that do not fit into one packet: the client sends fragments, the director forwards the whole.

use anyhow::{Result, ensure};
use ipvsdrain::identity::{Family, Protocol};
use serde_json::{Value, json};

use super::Case;
use super::bench::{Bench, PORT, bind, echo};
use crate::ledger::Server;
use crate::world::{Forwarding, World};

pub(super) fn cases() -> Vec<Case> {
    vec![
        ("fragments-v4-direct-route", || {
            one(Family::V4, Forwarding::DirectRoute)
        }),
        ("fragments-v4-masquerade", || {
            one(Family::V4, Forwarding::Masquerade)
        }),
        ("fragments-v6-direct-route", || {
            one(Family::V6, Forwarding::DirectRoute)
        }),
        ("fragments-v6-masquerade", || {
            one(Family::V6, Forwarding::Masquerade)
        }),
    ]
}

/// Three packets of the lab's links.
const DATAGRAM: [u8; 4000] = [b'x'; 4000];
const DATAGRAMS: u64 = 3;

fn one(family: Family, forwarding: Forwarding) -> Result<Value> {
    let world = World::build_dual_stack(forwarding, 1)?;
    let listen = world.listen_address_in(family, Server(1), PORT);
    let server = bind(world.server(Server(1)), listen)?;
    let address = world.server(Server(1)).address_in(family);
    let bench = Bench::set_up(world, forwarding, Protocol::Udp, address)?;
    let client = bench.client()?;
    for _ in 0..DATAGRAMS {
        echo(&client, &server, &DATAGRAM)?;
    }
    let reading = bench.read()?;
    let answered = if forwarding == Forwarding::Masquerade {
        DATAGRAMS
    } else {
        0
    };
    ensure!(
        (reading.forwarded, reading.replied) == (DATAGRAMS, answered),
        "{DATAGRAMS} datagrams went, {answered} came back through the director: {reading:?}"
    );
    ensure!(reading.live_udp == 1, "they are one flow: {reading:?}");
    let kernel = bench.kernel_counts()?;
    ensure!(
        kernel == (DATAGRAMS, answered),
        "the kernel counted {kernel:?}: {reading:?}"
    );
    Ok(json!({"forwarded": reading.forwarded, "replied": reading.replied, "kernel": [kernel.0, kernel.1]}))
}
