//! `ipvsdrain flows`: who still talks to a server that is being drained.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use super::{Daemonward, Target};
use crate::api::{DEFAULT_LIMIT, FlowView, FlowsAsked, FlowsView, LARGEST_LIMIT, Standing};

/// Show the flows of a real server that is being drained, those that moved last first.
#[derive(Debug, Args)]
pub(super) struct Flows {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    daemon: Daemonward,
    /// Show so many flows at most.
    #[arg(
        long,
        value_name = "N",
        default_value_t = DEFAULT_LIMIT,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(LARGEST_LIMIT)),
    )]
    limit: u32,
    /// Print everything as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Flows {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let asked = FlowsAsked {
            service: self.target.service,
            server: self.target.server,
            limit: self.limit,
        };
        let view = self.daemon.client().flows(&asked).await?;
        if self.json {
            println!("{}", serde_json::to_string(&view)?);
        } else {
            println!("{}", render(&view));
        }
        Ok(ExitCode::SUCCESS)
    }
}

pub(super) fn render(view: &FlowsView) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "CLIENT", "TO", "PROTOCOL", "STATE", "AGE", "IDLE", "REQUESTS", "REPLIES", "LIVE", "FLOW",
    ]);
    for flow in &view.flows {
        table.add_row(row(flow));
    }
    for column in 4..8 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let shown = view.flows.len();
    let cut = if view.complete {
        ""
    } else {
        "; there was no time to look at all of them"
    };
    let seed = match &view.seed {
        Some(seed) => format!(
            "in the kernel's table when it began: {} open TCP, {} closing TCP and {} UDP entries{}",
            seed.tcp_open,
            seed.tcp_closing,
            seed.udp,
            if seed.complete {
                ""
            } else {
                ", and more: there was no time to read all of it"
            }
        ),
        None => "the kernel's table could not be read when it began".to_owned(),
    };
    format!(
        "{table}\n\n{shown} of {} flows seen since the watch began{cut}\n{seed}",
        view.found
    )
}

fn row(flow: &FlowView) -> [String; 10] {
    let least = if flow.older { ">" } else { "" };
    [
        flow.client.to_string(),
        flow.virtual_addr.to_string(),
        flow.protocol.clone(),
        flow.tcp_state.clone().unwrap_or_default(),
        format!("{least}{:.0} s", flow.age_seconds),
        format!("{:.1} s", flow.idle_seconds),
        flow.requests.to_string(),
        flow.replies.to_string(),
        if flow.live { "yes" } else { "no" }.to_owned(),
        flow.standing.map_or("", Standing::word).to_owned(),
    ]
}
