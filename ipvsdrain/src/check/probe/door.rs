//! The way to one real server, found: connections and datagrams go through it, and nobody behind it asks which way it is.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::bad::Bad;
use super::udp;
use crate::check::path::{Exchange, Link, LinkError, Stream, Way};
use crate::check::target::Target;

#[derive(Debug, Clone)]
pub(super) enum Door {
    Own(SocketAddr),
    Virtual(Link, Way),
}

/// What a connection must be able to do.
pub(super) trait Conversation: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Conversation for T {}

pub(super) type Connection = Box<dyn Conversation>;

/// A socket that speaks to the server alone.
pub(super) enum Datagrams {
    Own(tokio::net::UdpSocket),
    Virtual(Box<Exchange>),
}

impl Door {
    /// Finds it, for as long as the server takes to answer to address resolution.
    pub(super) async fn to(target: Target) -> Result<Self, Bad> {
        match target {
            Target::Own(own) => Ok(Door::Own(own)),
            Target::Virtual(way, own) => match (Link::to(way.server).await, own) {
                (Ok(link), _) => Ok(Door::Virtual(link, way)),
                (Err(LinkError::NotOnLink(_)), Some(own)) => Ok(Door::Own(own)),
                (Err(error), _) => Err(Bad::Checker(error.to_string())),
            },
        }
    }

    /// What is spoken to.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Door::Own(address) => *address,
            Door::Virtual(_, way) => way.to.into(),
        }
    }

    pub(super) async fn connect(&self) -> Result<Connection, Bad> {
        Ok(match self {
            Door::Own(address) => Box::new(TcpStream::connect(address).await?),
            Door::Virtual(link, way) => Box::new(Stream::connect(link, *way).await?),
        })
    }

    pub(super) async fn datagrams(&self) -> Result<Datagrams, Bad> {
        Ok(match self {
            Door::Own(address) => Datagrams::Own(udp::connect(*address).await?),
            Door::Virtual(link, way) => Datagrams::Virtual(Box::new(Exchange::open(link, *way)?)),
        })
    }
}

impl Datagrams {
    pub(super) async fn send(&mut self, datagram: &[u8]) -> Result<(), Bad> {
        match self {
            Datagrams::Own(socket) => drop(socket.send(datagram).await?),
            Datagrams::Virtual(exchange) => exchange.send(datagram).await?,
        }
        Ok(())
    }

    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, Bad> {
        match self {
            Datagrams::Own(socket) => udp::receive(socket).await,
            Datagrams::Virtual(exchange) => Ok(exchange.receive().await?),
        }
    }
}
