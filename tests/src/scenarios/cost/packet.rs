//! One byte from the client through the director to a server, again and again, and what that costs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};

use super::meter::instructions_since;
use crate::clock;
use crate::ledger::Server;
use crate::world::{VIP, World};

pub(super) const PORT: u16 = 5300;
const PACKETS: u32 = 2000;
const ROUNDS: u32 = 5;
/// Packets sent by one measurement.
pub(super) const SENT: u32 = PACKETS * ROUNDS;
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends one byte from the client through the director to the first server; comes back when it arrived.
pub(super) type Packet = Box<dyn FnMut() -> Result<()>>;

pub(super) fn datagram(world: &World) -> Result<Packet> {
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
pub(super) fn segment(world: &World) -> Result<Packet> {
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
pub(super) fn least_instructions(packet: &mut Packet) -> Result<f64> {
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
    Ok(instructions_since(began) / f64::from(PACKETS))
}
