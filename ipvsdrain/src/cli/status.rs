//! `ipvsdrain status`: every real server, and what is being done to it.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use super::Daemonward;
use crate::api::{self, DrainView};
use crate::forwarding::{Forwarding, TunnelKind};

/// Show services, real servers and drains.
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    daemon: Daemonward,
    /// Print everything as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let status = self.daemon.client().status().await?;
        if self.json {
            println!("{}", serde_json::to_string(&status)?);
        } else {
            print(&status);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(status: &api::Status) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "SERVICE",
        "SERVER",
        "METHOD",
        "WEIGHT",
        "ACTIVE",
        "INACTIVE",
        "STATE",
        "LIVE FLOWS",
    ]);
    for service in &status.services {
        for server in &service.servers {
            let drain = status
                .drains
                .iter()
                .find(|drain| (drain.service, drain.server) == (service.service, server.server))
                .filter(|drain| !drain.state.is_final());
            let state = match (drain, server.configuration.weight) {
                (Some(drain), _) => drain.state.to_string(),
                (None, 0) => "foreign".to_owned(),
                (None, _) => "pooled".to_owned(),
            };
            table.add_row([
                service.service.to_string(),
                server.server.to_string(),
                method(server.configuration.forwarding).to_owned(),
                server.configuration.weight.to_string(),
                server.active.to_string(),
                server.inactive.to_string(),
                state,
                drain.map(live).unwrap_or_default(),
            ]);
        }
    }
    for column in 3..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
    for drain in &status.drains {
        let said = drain.verdict.as_ref().or(drain.held.as_ref());
        if let Some(said) = said {
            println!("\n{} {}: {said}", drain.service, drain.server);
        }
    }
}

fn live(drain: &DrainView) -> String {
    drain
        .live
        .map_or_else(|| "unknown".to_owned(), |live| live.total().to_string())
}

const fn method(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Masquerade => "masquerade",
        Forwarding::Local => "local",
        Forwarding::Tunnel(tunnel) => match tunnel.kind {
            TunnelKind::Ipip => "tunnel ipip",
            TunnelKind::Gue => "tunnel gue",
            TunnelKind::Gre => "tunnel gre",
        },
        Forwarding::DirectRoute => "direct route",
        Forwarding::Bypass => "bypass",
    }
}
