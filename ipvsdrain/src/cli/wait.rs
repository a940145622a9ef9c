//! `ipvsdrain wait`: wait for drains that are under way, as `drain --wait` does for its own.

use std::process::ExitCode;

use clap::Args;

use super::policy::read_secs;
use super::selection::{self, Selected, Selection};
use super::{Daemonward, exit, waiting};

/// Wait for drains that are under way; exits as `drain --wait` does.
#[derive(Debug, Args)]
#[command(
    override_usage = "ipvsdrain wait [OPTIONS] SERVICE SERVER\n       ipvsdrain wait [OPTIONS] --server ADDR"
)]
pub(super) struct Wait {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    daemon: Daemonward,
    /// Wait no longer than this; the drains go on.
    #[arg(long, value_name = "SPAN", value_parser = read_secs)]
    timeout: Option<u32>,
    /// Print the drain as JSON, as the last line; with --server ADDR one object with all of them.
    #[arg(long)]
    json: bool,
}

impl Wait {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.daemon.client();
        let selected = self.selection.selected()?;
        let names = match &selected {
            Selected::One(name) => vec![*name],
            Selected::Host(host) => selection::to_await(host, &client.status().await?)?,
        };
        let mut drains = Vec::new();
        for name in &names {
            drains.push(client.newer(name, None).await?);
        }
        let drains = waiting::wait(&client, drains, self.timeout).await?;
        let of_host = matches!(selected, Selected::Host(_));
        println!(
            "{}",
            waiting::render(&drains, of_host, self.json, waiting::sentence)
        );
        Ok(ExitCode::from(exit::worst(drains.iter().map(waiting::code))))
    }
}
