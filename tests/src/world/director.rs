//! The director: the machine whose kernel balances.
//!
//! Owns configuring IPVS with `ipvsadm` and reading it back from `/proc`, apart from the daemon under test.

use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use anyhow::{Result, bail};
use ipvsdrain::identity::{Family, Protocol, RealServer, VirtualService};

use super::{Forwarding, Machine, Row, VIP, read_table};

/// One real server of one virtual service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub service: VirtualService,
    pub server: RealServer,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.server, self.service)
    }
}

/// The machine whose kernel balances.
#[derive(Debug)]
pub struct Director {
    machine: Machine,
}

impl Director {
    pub(super) fn new(machine: Machine) -> Self {
        Self { machine }
    }

    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Adds a virtual service on the VIP and one real server of weight 1 per address, all on the same port.
    pub fn balance(
        &self,
        protocol: Protocol,
        port: u16,
        scheduler: &str,
        forwarding: Forwarding,
        servers: impl IntoIterator<Item = Ipv4Addr>,
    ) -> Result<VirtualService> {
        let addr = SocketAddr::V4(SocketAddrV4::new(VIP, port));
        let service = VirtualService::Address { protocol, addr };
        let servers = servers
            .into_iter()
            .map(|address| (RealServer((address, port).into()), 1));
        self.add(&service, &format!("-s {scheduler}"), forwarding, servers)?;
        Ok(service)
    }

    /// Adds any virtual service, with the options `ipvsadm` knows for one (`-s rr -p 300`), and its real servers with
    /// their weights.
    pub fn add(
        &self,
        service: &VirtualService,
        options: &str,
        forwarding: Forwarding,
        servers: impl IntoIterator<Item = (RealServer, u32)>,
    ) -> Result<()> {
        let key = service_option(service);
        let mut lines = format!("-A {key} {options}\n");
        for (server, weight) in servers {
            let _ = writeln!(lines, "-a {key} -r {server} {} -w {weight}", forwarding.flag());
        }
        self.restore(&lines)
    }

    /// Lines as `ipvsadm -S -n` writes them, all in one process.
    pub fn restore(&self, lines: &str) -> Result<()> {
        self.machine.run("ipvsadm", &["-R"], lines).map(drop)
    }

    /// The whole configuration, every option of every server included, in the form `restore` takes.
    pub fn saved(&self) -> Result<String> {
        self.machine.run("ipvsadm", &["-S", "-n"], "")
    }

    /// Under GUE and GRE it would make the server an IP in IP one: the kernel's table does not show the kind.
    pub fn set_weight(&self, place: Place, weight: u32) -> Result<()> {
        let Some(row) = self.row(place)? else {
            bail!("{place} is not in the table: its weight cannot be set");
        };
        let method = match row.forwarding.as_str() {
            "Masq" => "-m",
            "Tunnel" => "-i",
            _ => "-g",
        };
        self.restore(&format!(
            "-e {} -r {} {method} -w {weight}\n",
            service_option(&place.service),
            place.server
        ))
    }

    pub fn delete(&self, place: Place) -> Result<()> {
        self.restore(&format!(
            "-d {} -r {}\n",
            service_option(&place.service),
            place.server
        ))
    }

    /// Every real server of every service, read from `/proc/net/ip_vs`.
    pub fn table(&self) -> Result<Vec<Row>> {
        Ok(read_table(&self.machine.read("/proc/thread-self/net/ip_vs")?))
    }

    /// One real server of one service; None once it is removed.
    pub fn row(&self, place: Place) -> Result<Option<Row>> {
        Ok(self.table()?.into_iter().find(|row| row.place == place))
    }
}

/// `-u 10.0.0.1:53`, as `ipvsadm` names a service.
pub(super) fn service_option(service: &VirtualService) -> String {
    match service {
        VirtualService::Address {
            protocol: Protocol::Tcp,
            addr,
        } => format!("-t {addr}"),
        VirtualService::Address {
            protocol: Protocol::Udp,
            addr,
        } => format!("-u {addr}"),
        VirtualService::Fwmark {
            mark,
            family: Family::V4,
        } => format!("-f {mark}"),
        VirtualService::Fwmark {
            mark,
            family: Family::V6,
        } => format!("-f {mark} -6"),
        VirtualService::Address {
            protocol: Protocol::Sctp,
            addr,
        } => format!("--sctp-service {addr}"),
    }
}
