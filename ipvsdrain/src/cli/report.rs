//! `ipvsdrain report`: hand on what somebody else's checks found out about the health of a server.

use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::policy::read_secs;
use super::{Daemonward, Target, explain};
use crate::api::{HealthView, ReportRequest, ReportStatus, ServerName};

const UP: &str = "up";
const DOWN: &str = "down";
const WITHDRAW: &str = "withdraw";

/// Hand on what a monitor found: a real server that is down is drained for its failure, and put back once it is up.
/// Prints what is known of it now, and what is done about it.
#[derive(Debug, Args)]
pub(super) struct Report {
    #[command(flatten)]
    target: Target,
    /// What was found; withdraw takes back what this source said last.
    #[arg(
        value_name = "STATUS",
        value_parser = PossibleValuesParser::new([UP, DOWN, WITHDRAW]).map(|word| status(&word)),
    )]
    status: ReportStatus,
    /// Who says so: its newer word takes the place of its last one. Letters, digits, `.`, `_` and `-`.
    #[arg(long, value_name = "NAME")]
    source: String,
    /// For how long it holds without a newer one, 1s to 1d; after that nothing is known from this source.
    #[arg(
        long,
        value_name = "SPAN",
        value_parser = read_secs,
        required_if_eq_any([("status", UP), ("status", DOWN)]),
    )]
    ttl: Option<u32>,
    /// What is wrong with the server, in one line.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    cause: String,
    #[command(flatten)]
    daemon: Daemonward,
    /// Print what is known now as one JSON object; null if nobody speaks of the server any more.
    #[arg(long)]
    json: bool,
}

/// One of the words that the command line takes.
fn status(word: &str) -> ReportStatus {
    match word {
        UP => ReportStatus::Up,
        DOWN => ReportStatus::Down,
        _ => ReportStatus::Withdraw,
    }
}

impl Report {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Target { service, server } = self.target;
        let report = ReportRequest {
            service,
            server,
            source: self.source,
            status: self.status,
            ttl_secs: self.ttl,
            cause: self.cause,
        };
        let known = self.daemon.client().report(&report).await?;
        if self.json {
            println!("{}", serde_json::to_string(&known)?);
        } else {
            println!("{}", render(&ServerName { service, server }, known.as_ref()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is known now, and what is done about it.
pub(super) fn render(name: &ServerName, known: Option<&HealthView>) -> String {
    let ServerName { service, server } = name;
    match known {
        Some(known) => format!("{server} in {service} is {}", explain::health_in_short(known)),
        None => format!("{server} in {service}: nobody speaks of its health any more"),
    }
}
