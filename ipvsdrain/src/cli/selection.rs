//! Which real servers a verb is for: one of one service, or one host in every service.

use clap::Args;

use super::exit::Usage;
use super::host::Host;
use crate::api::{ServerName, Status};
use crate::drain::State;
use crate::identity::{RealServer, VirtualService};

/// One real server of one virtual service, or a host in all of them.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Virtual service: udp:10.0.0.1:53, tcp:[2001:db8::1]:443, fwmark:7, fwmark6:7
    #[arg(value_name = "SERVICE", required_unless_present = "host", requires = "server")]
    service: Option<VirtualService>,
    /// Real server: 10.1.0.5:53, [2001:db8::5]:443
    #[arg(value_name = "SERVER", required_unless_present = "host")]
    server: Option<RealServer>,
    /// This host in every service, instead of SERVICE and SERVER: 10.1.0.5, or 10.1.0.5:53 for one port of it.
    #[arg(id = "host", long = "server", value_name = "ADDR", conflicts_with_all = ["service", "server"])]
    host: Option<Host>,
}

/// What was selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selected {
    One(ServerName),
    Host(Host),
}

impl Selection {
    pub(super) fn selected(&self) -> Result<Selected, Usage> {
        match (self.host, self.service, self.server) {
            (Some(host), ..) => Ok(Selected::Host(host)),
            (None, Some(service), Some(server)) => Ok(Selected::One(ServerName { service, server })),
            _ => Err(Usage("give SERVICE and SERVER, or --server ADDR".to_owned())),
        }
    }
}

/// Every place this host has in the table.
pub(super) fn in_table(host: &Host, status: &Status) -> Result<Vec<ServerName>, Usage> {
    let all = status.services.iter().flat_map(|listed| {
        let name = |server: RealServer| ServerName {
            service: listed.service,
            server,
        };
        listed.servers.iter().map(move |listed| name(listed.server))
    });
    matching(host, all, "no service has a real server", "the nearest are")
}

/// Every drain of this host that can be undone.
pub(super) fn to_restore(host: &Host, status: &Status) -> Result<Vec<ServerName>, Usage> {
    let undone = |state| matches!(state, State::Restored | State::Yielded);
    let drains = status.drains.iter().filter(|drain| !undone(drain.state));
    matching(
        host,
        drains.map(|drain| ServerName {
            service: drain.service,
            server: drain.server,
        }),
        "there is no drain to undo of",
        "there are drains of",
    )
}

/// Every drain of this host that is under way, or that ended with a removal and was not undone.
pub(super) fn to_await(host: &Host, status: &Status) -> Result<Vec<ServerName>, Usage> {
    let drains = status
        .drains
        .iter()
        .filter(|drain| !drain.over || drain.state == State::Removed);
    matching(
        host,
        drains.map(|drain| ServerName {
            service: drain.service,
            server: drain.server,
        }),
        "there is no drain to wait for of",
        "there are drains of",
    )
}

fn matching(
    host: &Host,
    all: impl Iterator<Item = ServerName> + Clone,
    nothing: &str,
    nearest: &str,
) -> Result<Vec<ServerName>, Usage> {
    let found: Vec<ServerName> = all.clone().filter(|name| host.takes(&name.server)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let servers: Vec<RealServer> = all.map(|name| name.server).collect();
    let near = host.nearest(servers.iter());
    let near = if near.is_empty() {
        "there are none at all".to_owned()
    } else {
        format!("{nearest} {}", near.join(", "))
    };
    Err(Usage(format!(
        "{nothing} {host}: {near}; `ipvsdrain status` lists all"
    )))
}
