//! `ipvsdrain explain`: why is this server not removed yet? In sentences, from what the daemon shows of its drain.
//!
//! Here a view is asked for and printed; [`drain`] and [`no_drain`] put it into words.

mod deadline;
mod drain;
mod no_drain;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Args;

use super::{Daemonward, Target, exit};
use crate::api::client::ClientError;
use crate::api::{DrainView, Problem, ProblemKind, ServerName, Status};

pub(super) use deadline::span;

/// Say why a real server is not removed yet, and what comes next.
#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    daemon: Daemonward,
}

/// A drain in sentences, one a line.
pub(super) fn render(view: &DrainView) -> String {
    drain::lines(view).join("\n")
}

impl Explain {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.daemon.client();
        let name = ServerName {
            service: self.target.service,
            server: self.target.server,
        };
        let no_drain = match client.newer(&name, None).await {
            Ok(view) => {
                println!("{}", render(&view));
                return Ok(ExitCode::SUCCESS);
            }
            Err(ClientError::Problem(Problem {
                kind: ProblemKind::NotFound,
                ..
            })) => no_drain::sentence(&client.status().await?, &name),
            Err(error) => return Err(error.into()),
        };
        match no_drain {
            Ok(said) => {
                println!("{said}");
                Ok(ExitCode::SUCCESS)
            }
            Err(missing) => {
                eprintln!("ipvsdrain: {missing}");
                Ok(ExitCode::from(exit::ERROR))
            }
        }
    }
}

/// The same for whoever has the status already.
pub(super) fn sentences(status: &Status, name: &ServerName, drain: Option<&DrainView>) -> Vec<String> {
    match drain {
        Some(drain) => drain::lines(drain),
        None => vec![no_drain::sentence(status, name).unwrap_or_else(|missing| missing)],
    }
}
