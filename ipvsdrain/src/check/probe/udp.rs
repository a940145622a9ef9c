//! A datagram is sent, and an answer awaited. Where none is expected, only an ICMP error is a failure.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::UdpSocket;

use super::bad::Bad;
use super::door::Door;
use crate::check::kind::Exchange;

/// The longest datagram that there is.
const LONGEST: usize = 65_535;

pub(super) async fn exchange(exchange: &Exchange, to: &Door) -> Result<(), Bad> {
    let mut socket = to.datagrams().await?;
    socket.send(&exchange.send).await?;
    let answer = socket.receive().await?;
    match &exchange.expect {
        Some(expected) if !contains(&answer, expected) => {
            let length = answer.len();
            Err(Bad::Server(format!(
                "an answer of {length} bytes, without what is expected"
            )))
        }
        _ => Ok(()),
    }
}

/// A socket that hears from this address alone, and of every ICMP error: by default Linux keeps a host that cannot be reached
/// to itself.
pub(super) async fn connect(to: SocketAddr) -> Result<UdpSocket, Bad> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    let told = match to {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true),
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true),
    };
    told.map_err(std::io::Error::from)?;
    socket.connect(to).await?;
    Ok(socket)
}

pub(super) async fn receive(socket: &UdpSocket) -> Result<Vec<u8>, Bad> {
    let mut answer = vec![0; LONGEST];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

fn contains(answer: &[u8], expected: &[u8]) -> bool {
    answer.windows(expected.len().max(1)).any(|part| part == expected)
}
