//! The network a scenario runs in: a client, a director and real servers, each a network namespace on one bridge.
//!
//! ```text
//!   client 10.9.0.2 ──┐
//!   director 10.9.0.1 │
//!            10.1.0.1 ├── bridge (namespace `switch`)
//!     VIP    10.0.0.1 │
//!   server1  10.1.0.5 │
//!   server2  10.1.0.6 │   …
//!   server3  10.1.0.7 ┘
//! ```
//!
//! Owns the namespaces, links, routes and neighbours. Every neighbour is permanent and the bridge is taught its
//! ports, so that address resolution never costs a datagram. Nothing has a name outside this process: when the
//! world is dropped the kernel takes everything apart, IPVS tables and sysctls included.

mod director;
mod machine;
mod namespace;
mod plan;
mod table;

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use anyhow::{Context, Result};
use ipvsdrain::identity::{RealServer, VirtualService};

use crate::ledger::Server;
pub use director::{Director, Place};
pub use machine::Machine;
pub use namespace::Namespace;
pub use plan::Forwarding;
pub use table::{Row, read_table};

/// The balanced address.
pub const VIP: Ipv4Addr = plan::VIP;

/// Client, director and real servers, wired up.
#[derive(Debug)]
pub struct World {
    forwarding: Forwarding,
    client: Machine,
    director: Director,
    servers: Vec<Machine>,
    _switch: Machine,
}

impl World {
    /// Builds a world of `servers` real servers whose way back to the client suits `forwarding`.
    pub fn build(forwarding: Forwarding, servers: u16) -> Result<Self> {
        if forwarding == Forwarding::Tunnel {
            Machine::host("modprobe", &["ipip"])?;
        }
        let switch = Machine::new("switch", Ipv4Addr::UNSPECIFIED)?;
        let client = Machine::new("client", plan::CLIENT)?;
        let director = Machine::new("director", plan::DIRECTOR_INSIDE)?;
        let servers = (1..=servers)
            .map(|number| Machine::new(&format!("server{number}"), plan::server_address(number)))
            .collect::<Result<Vec<_>>>()?;

        let hosts: Vec<&Machine> = [&client, &director].into_iter().chain(&servers).collect();
        switch.ip(&plan::switch(&hosts))?;
        client.set_sysctls(&plan::sysctls(&[]))?;
        client.ip(&plan::client(&director))?;
        director.set_sysctls(&plan::director_sysctls())?;
        director.ip(&plan::director(&client, &servers))?;
        for server in &servers {
            server.set_sysctls(&plan::sysctls(plan::SERVER_SYSCTLS))?;
            server.ip(&plan::server(server, forwarding, &client, &director))?;
            if forwarding == Forwarding::Tunnel {
                server.set_sysctls(&[("net.ipv4.conf.tunl0.rp_filter".to_owned(), "0")])?;
            }
        }
        for host in hosts {
            host.within(teach_bridge)
                .with_context(|| format!("cannot send from namespace {}", host.name()))?;
        }
        Ok(Self {
            forwarding,
            client,
            director: Director::new(director),
            servers,
            _switch: switch,
        })
    }

    pub fn forwarding(&self) -> Forwarding {
        self.forwarding
    }

    pub fn client(&self) -> &Machine {
        &self.client
    }

    pub fn director(&self) -> &Director {
        &self.director
    }

    /// Every real server with its number in the ledger.
    pub fn servers(&self) -> impl Iterator<Item = (Server, &Machine)> {
        (1..).map(Server).zip(&self.servers)
    }

    /// A real server by its number, counted from 1.
    ///
    /// # Panics
    /// If the world has no such server: a scenario that asks for one is wrong.
    pub fn server(&self, number: Server) -> &Machine {
        &self.servers[usize::from(number.0) - 1]
    }

    /// A real server's place in a service on this port.
    pub fn place(&self, service: VirtualService, number: Server, port: u16) -> Place {
        let server = RealServer((self.server(number).address(), port).into());
        Place { service, server }
    }

    /// Where a real server's programs listen: on the VIP, unless masquerade rewrites the destination.
    pub fn listen_address(&self, number: Server, port: u16) -> SocketAddrV4 {
        match self.forwarding {
            Forwarding::Masquerade => SocketAddrV4::new(self.server(number).address(), port),
            Forwarding::DirectRoute | Forwarding::Tunnel => SocketAddrV4::new(VIP, port),
        }
    }
}

/// One datagram to nobody, so that the bridge knows which port this machine is behind.
fn teach_bridge() -> std::io::Result<usize> {
    let nobody = SocketAddrV4::new(plan::NOBODY, 9);
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.send_to(b"here", nobody)
}
