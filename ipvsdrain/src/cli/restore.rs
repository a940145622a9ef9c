//! `ipvsdrain restore`: undo a drain.

use std::process::ExitCode;

use clap::Args;

use super::{Daemonward, Target, exit};
use crate::api::ServerName;
use crate::drain::State;

/// Give a drained real server its own weight back, or put it back if it was removed.
#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    daemon: Daemonward,
    /// Print the drain as JSON.
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.daemon.client();
        let name = ServerName {
            service: self.target.service,
            server: self.target.server,
        };
        let mut view = client.restore(&name).await?;
        while !view.over && view.held.is_none() {
            view = client.newer(&name, Some(view.revision)).await?;
        }
        let sentence = view
            .verdict
            .clone()
            .or_else(|| view.held.clone())
            .unwrap_or_default();
        if self.json {
            println!("{}", serde_json::to_string(&view)?);
        } else {
            println!("{sentence}");
        }
        Ok(match view.state {
            State::Restored => ExitCode::SUCCESS,
            State::Yielded => ExitCode::from(exit::CANCELLED),
            _ => ExitCode::from(exit::ERROR),
        })
    }
}
