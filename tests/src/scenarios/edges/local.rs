//! A real server whose address is the director's own: nothing leaves the machine on its way there, and IPVS sees what
//! the server answers under every forwarding method.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use super::Case;
use super::bench::{Bench, PORT, QUIET, bind, echo};
use crate::clock;
use crate::world::{Forwarding, VIP, World};

pub(super) fn cases() -> Vec<Case> {
    vec![
        ("local-udp-masquerade", || udp(Forwarding::Masquerade)),
        ("local-udp-direct-route", || udp(Forwarding::DirectRoute)),
        ("local-tcp-masquerade", || tcp(Forwarding::Masquerade)),
        ("local-tcp-direct-route", || tcp(Forwarding::DirectRoute)),
    ]
}

const EXCHANGES: u64 = 4;
const SECOND: Duration = Duration::from_secs(1);

/// The world, the director's own address, and where its program listens.
fn build(forwarding: Forwarding) -> Result<(World, IpAddr, SocketAddr)> {
    let world = World::build(forwarding, 1)?;
    let own: IpAddr = world.director().machine().address().into();
    let listen = match forwarding {
        Forwarding::Masquerade => own,
        _ => VIP.into(),
    };
    Ok((world, own, (listen, PORT).into()))
}

fn udp(forwarding: Forwarding) -> Result<Value> {
    let (world, own, listen) = build(forwarding)?;
    let server = bind(world.director().machine(), listen)?;
    let bench = Bench::set_up(world, forwarding, Protocol::Udp, own)?;
    let client = bench.client()?;
    let mut from = listen;
    for _ in 0..EXCHANGES {
        from = echo(&client, &server, b"question")?;
    }
    let exchanged = bench.read()?;
    ensure!(
        (exchanged.forwarded, exchanged.live_udp) == (EXCHANGES, 1),
        "{EXCHANGES} datagrams of one flow: {exchanged:?}"
    );
    // From now on the server alone speaks, for longer than the quiet window.
    let begin = clock::now();
    while clock::now().since(begin) <= QUIET + SECOND {
        server.send_to(b"news", from)?;
        client.recv(&mut [0; 16]).context("the client got no news")?;
        clock::pass(SECOND);
    }
    let spoken = bench.read()?;
    let kernel = bench.kernel_counts()?;
    ensure!(
        (spoken.forwarded, spoken.replied) == kernel,
        "the kernel counted {kernel:?}: {spoken:?}"
    );
    ensure!(
        spoken.replied > EXCHANGES && spoken.live_udp == 1,
        "what the server says keeps the flow live: {spoken:?}"
    );
    Ok(json!({
        "forwarded": spoken.forwarded,
        "replied": spoken.replied,
        "live_while_the_server_speaks": spoken.live_udp,
        "kernel": [kernel.0, kernel.1],
    }))
}

fn tcp(forwarding: Forwarding) -> Result<Value> {
    let (world, own, listen) = build(forwarding)?;
    let listener = world
        .director()
        .machine()
        .within(|| TcpListener::bind(listen))
        .with_context(|| format!("cannot bind tcp {listen} on the director"))?;
    let bench = Bench::set_up(world, forwarding, Protocol::Tcp, own)?;
    let mut client = bench
        .world
        .client()
        .within(|| TcpStream::connect((VIP, PORT)))
        .context("cannot connect to the VIP")?;
    let (mut server, _) = listener.accept()?;
    for _ in 0..EXCHANGES {
        client.write_all(b"question")?;
        server.read_exact(&mut [0; 8])?;
        server.write_all(b"response")?;
        client.read_exact(&mut [0; 8])?;
    }
    let open = bench.read()?;
    ensure!(
        (open.live_tcp_open, open.live_tcp_closing) == (1, 0),
        "one is open: {open:?}"
    );
    drop(client);
    ensure!(server.read(&mut [0; 1])? == 0, "the server sees no end");
    drop(server);
    // The last acknowledgement travels on its own.
    clock::pass(SECOND);
    let closed = bench.read()?;
    ensure!(
        (closed.live_tcp_open, closed.live_tcp_closing) == (0, 1),
        "it closes: {closed:?}"
    );
    let kernel = bench.kernel_counts()?;
    ensure!(
        (closed.forwarded, closed.replied) == kernel,
        "the kernel counted {kernel:?}: {closed:?}"
    );
    ensure!(closed.replied > 0, "what the server says is seen: {closed:?}");
    Ok(json!({"forwarded": closed.forwarded, "replied": closed.replied, "kernel": [kernel.0, kernel.1]}))
}
