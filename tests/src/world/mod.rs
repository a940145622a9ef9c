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
//! In a world with both families every address has an IPv6 twin: the VIP is 2001:db8::1, server1 2001:db8:1::5.
//!
//! Owns the namespaces, links, routes and neighbours. Every neighbour is permanent and the bridge is taught its
//! ports, so that address resolution never costs a datagram. Nothing has a name outside this process: when the
//! world is dropped the kernel takes everything apart, IPVS tables and sysctls included.

mod counters;
mod crowd;
mod director;
mod forwarding;
mod machine;
mod mark;
mod namespace;
mod plan;
mod six;
mod table;
mod tunnel;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use anyhow::{Context, Result};
use ipvsdrain::identity::{Family, RealServer, VirtualService};

use crate::ledger::Server;
pub use director::{Director, Place};
pub use forwarding::Forwarding;
pub use machine::Machine;
pub use namespace::Namespace;
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
    switch: Machine,
}

impl World {
    /// Builds an IPv4 world of `servers` real servers whose way back to the client suits `forwarding`.
    pub fn build(forwarding: Forwarding, servers: u16) -> Result<Self> {
        Self::wire(forwarding, servers, &[Family::V4])
    }

    /// Builds a world like [`World::build`] in which everything has an IPv6 address, too.
    pub fn build_dual_stack(forwarding: Forwarding, servers: u16) -> Result<Self> {
        Self::wire(forwarding, servers, &[Family::V4, Family::V6])
    }

    fn wire(forwarding: Forwarding, servers: u16, families: &[Family]) -> Result<Self> {
        let six = families.contains(&Family::V6);
        tunnel::load_modules(forwarding, families)?;
        let switch = Machine::new("switch", Ipv4Addr::UNSPECIFIED)?;
        let client = Machine::new("client", plan::CLIENT)?;
        let director = Machine::new("director", plan::DIRECTOR_INSIDE)?;
        let servers = (1..=servers)
            .map(|number| Machine::new(&format!("server{number}"), plan::server_address(number)))
            .collect::<Result<Vec<_>>>()?;

        let hosts: Vec<&Machine> = [&client, &director].into_iter().chain(&servers).collect();
        let both = |four: String, twin: &dyn Fn() -> String| if six { four + &twin() } else { four };
        switch.ip(&plan::switch(&hosts))?;
        client.set_sysctls(&plan::sysctls(six, &[]))?;
        client.ip(&both(plan::client(&director), &|| six::client(&director)))?;
        director.set_sysctls(&plan::director_sysctls(six))?;
        director.ip(&both(plan::director(&client, &servers), &|| {
            six::director(&client, &servers)
        }))?;
        for server in &servers {
            server.set_sysctls(&plan::sysctls(six, plan::SERVER_SYSCTLS))?;
            let four = plan::server(server, forwarding, &client, &director);
            server.ip(&both(four, &|| {
                six::server(server, forwarding, &client, &director)
            }))?;
            tunnel::receive(server, forwarding, families)?;
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
            switch,
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

    /// Pulls a real server's cable, or puts it back: what is sent to it meanwhile is gone without an answer.
    pub fn plug(&self, number: Server, is_in: bool) -> Result<()> {
        let way = if is_in { "up" } else { "down" };
        self.switch
            .ip(&format!("link set {} {way}\n", self.server(number).name()))
    }

    /// The balanced address of this family.
    pub fn vip(family: Family) -> IpAddr {
        match family {
            Family::V4 => VIP.into(),
            Family::V6 => six::twin(VIP).into(),
        }
    }

    /// A real server's place in a service on this port.
    pub fn place(&self, service: VirtualService, number: Server, port: u16) -> Place {
        let address = self.server(number).address_in(service.family());
        let server = RealServer((address, port).into());
        Place { service, server }
    }

    /// Where a real server's programs listen: on the VIP, unless masquerade rewrites the destination.
    pub fn listen_address(&self, number: Server, port: u16) -> SocketAddrV4 {
        match self.forwarding {
            Forwarding::Masquerade => SocketAddrV4::new(self.server(number).address(), port),
            _ => SocketAddrV4::new(VIP, port),
        }
    }

    /// [`World::listen_address`] in either family.
    pub fn listen_address_in(&self, family: Family, number: Server, port: u16) -> SocketAddr {
        let address = match self.forwarding {
            Forwarding::Masquerade => self.server(number).address_in(family),
            _ => Self::vip(family),
        };
        SocketAddr::new(address, port)
    }
}

/// One datagram to nobody, so that the bridge knows which port this machine is behind.
fn teach_bridge() -> std::io::Result<usize> {
    let nobody = SocketAddrV4::new(plan::NOBODY, 9);
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.send_to(b"here", nobody)
}
