//! `ipvsdrain explain`: why is this server not removed yet, and is it well? In sentences, from what the daemon shows of
//! its drain and of its health.
//!
//! Here views are asked for and printed; [`drain`], [`no_drain`] and [`health`] put them into words.

mod deadline;
mod drain;
mod health;
mod no_drain;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Args;

use super::{Daemonward, Target, exit};
use crate::api::client::ClientError;
use crate::api::{DrainView, HealthView, Problem, ProblemKind, ServerName, Status};

pub(super) use deadline::span;
pub(super) use health::in_short as health_in_short;

/// Say why a real server is not removed yet, what is known of its health, and what comes next.
#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    daemon: Daemonward,
}

/// A drain in sentences, and what is known of the health of its server; one a line.
pub(super) fn render(view: &DrainView, health: Option<&HealthView>) -> String {
    [drain::lines(view), health::lines(health, Some(view))]
        .concat()
        .join("\n")
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
                let known = client.health().await?.servers;
                println!("{}", render(&view, of(&known, &name)));
                return Ok(ExitCode::SUCCESS);
            }
            Err(ClientError::Problem(Problem {
                kind: ProblemKind::NotFound,
                ..
            })) => without_drain(&client.status().await?, &name),
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

fn of<'known>(known: &'known [HealthView], name: &ServerName) -> Option<&'known HealthView> {
    let is_it = |health: &&HealthView| (health.service, health.server) == (name.service, name.server);
    known.iter().find(is_it)
}

/// A server that no drain is known of; an error if there is no such server.
pub(super) fn without_drain(status: &Status, name: &ServerName) -> Result<String, String> {
    let sentence = no_drain::sentence(status, name)?;
    let health = health::lines(of(&status.health, name), None);
    Ok([vec![sentence], health].concat().join("\n"))
}

/// The same for whoever has the status already.
pub(super) fn sentences(status: &Status, name: &ServerName, drain: Option<&DrainView>) -> Vec<String> {
    let said = match drain {
        Some(drain) => render(drain, of(&status.health, name)),
        None => without_drain(status, name).unwrap_or_else(|missing| missing),
    };
    said.lines().map(str::to_owned).collect()
}
