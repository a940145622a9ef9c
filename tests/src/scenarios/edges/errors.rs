//! The client's own ICMP error about a flow, long after its last packet: IPVS passes it on to the real server, and it
//! makes nothing live. (A server's error is looked at by `observer-counts`.)

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail, ensure};
use ipvsdrain::identity::Protocol;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};
use serde_json::{Value, json};

use super::Case;
use super::bench::{Bench, PORT, WELL_AFTER, bind, echo};
use crate::clock;
use crate::ledger::Server;
use crate::world::{Forwarding, Machine, VIP, World};

pub(super) fn cases() -> Vec<Case> {
    vec![
        ("error-direct-route", || one(Forwarding::DirectRoute)),
        ("error-masquerade", || one(Forwarding::Masquerade)),
        ("error-ipip", || one(Forwarding::Tunnel)),
    ]
}

fn one(forwarding: Forwarding) -> Result<Value> {
    let world = World::build(forwarding, 1)?;
    let server = bind(
        world.server(Server(1)),
        world.listen_address(Server(1), PORT).into(),
    )?;
    let address = world.server(Server(1)).address().into();
    let bench = Bench::set_up(world, forwarding, Protocol::Udp, address)?;
    let client = bench.client()?;
    let from = echo(&client, &server, b"question")?;
    server.connect(from)?;
    clock::pass(WELL_AFTER);
    let before = bench.read()?;
    ensure!(
        (before.forwarded, before.live_udp) == (1, 0),
        "one datagram, long ago: {before:?}"
    );

    refuse(bench.world.client(), from.port())?;
    server_is_told(&server)?;
    let after = bench.read()?;
    ensure!(
        after == before,
        "the error counted: before {before:?}, after {after:?}"
    );
    Ok(json!({"forwarded": after.forwarded, "replied": after.replied, "live": after.live_udp}))
}

fn server_is_told(server: &UdpSocket) -> Result<()> {
    let told = server.recv(&mut [0; 16]).err().map(|error| error.kind());
    ensure!(
        told == Some(ErrorKind::ConnectionRefused),
        "the server was told {told:?}"
    );
    Ok(())
}

/// "Port unreachable" about a datagram from the VIP to the client's `port`.
fn refuse(client: &Machine, port: u16) -> Result<()> {
    let socket = client
        .within(|| {
            socket(
                AddressFamily::Inet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::Icmp,
            )
        })
        .context("cannot open a raw socket")?;
    let message = port_unreachable((VIP, PORT), (client.address(), port));
    let to = SockaddrIn::from(SocketAddrV4::new(VIP, 0));
    let sent =
        sendto(socket.as_raw_fd(), &message, &to, MsgFlags::empty()).context("cannot send an error")?;
    if sent != message.len() {
        bail!("{sent} of {} bytes of the error were sent", message.len());
    }
    Ok(())
}

/// ICMP's 8 bytes, then what it is about: an IPv4 header and 8 bytes of UDP.
fn port_unreachable(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Vec<u8> {
    let mut about = vec![0x45, 0, 0, 36, 0, 1, 0, 0, 64, 17, 0, 0];
    about.extend(from.0.octets());
    about.extend(to.0.octets());
    let sum = checksum(&about);
    about[10..12].copy_from_slice(&sum.to_be_bytes());
    about.extend(from.1.to_be_bytes());
    about.extend(to.1.to_be_bytes());
    // 16 bytes of UDP, without a checksum.
    about.extend([0, 16, 0, 0]);
    let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
    message.extend(about);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// The Internet checksum of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_makes_the_whole_sum_up_to_nothing() {
        let message = port_unreachable((VIP, 53), (Ipv4Addr::new(10, 9, 0, 2), 40_000));
        assert_eq!(message.len(), 36);
        assert_eq!((checksum(&message), checksum(&message[8..28])), (0, 0));
    }
}
