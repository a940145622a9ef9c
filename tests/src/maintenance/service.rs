//! The one virtual service that a maintenance is about.

use std::net::{SocketAddr, SocketAddrV4};

use anyhow::Result;
use ipvsdrain::identity::{Protocol, RealServer, VirtualService};

use crate::ledger::Server;
use crate::world::{Place, VIP, World};

/// A service on the virtual address, balanced in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    /// Seconds for which a client stays with its server.
    pub(super) persistent: Option<u32>,
}

impl Service {
    fn identity(self) -> VirtualService {
        VirtualService::Address {
            protocol: self.protocol,
            addr: SocketAddr::V4(SocketAddrV4::new(VIP, self.port)),
        }
    }

    pub(super) fn place(self, world: &World, server: Server) -> Place {
        world.place(self.identity(), server, self.port)
    }

    /// Puts it into the table with all servers.
    pub(super) fn balance(self, world: &World) -> Result<()> {
        let persistence = self
            .persistent
            .map_or(String::new(), |seconds| format!(" -p {seconds}"));
        let servers = world
            .servers()
            .map(|(_, machine)| (RealServer((machine.address(), self.port).into()), 1));
        let options = format!("-s rr{persistence}");
        world
            .director()
            .add(&self.identity(), &options, world.forwarding(), servers)
    }
}
