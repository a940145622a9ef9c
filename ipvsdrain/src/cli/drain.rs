//! `ipvsdrain drain`: ask for a drain, and wait for its end if told to.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::policy::{PolicyArgs, read_secs};
use super::progress::Progress;
use super::{Daemonward, Target, exit};
use crate::api::client::{Client, ClientError};
use crate::api::{DrainRequest, DrainView, ServerName};

/// Quiesce a real server, wait until it is provably idle, remove it.
#[derive(Debug, Args)]
pub(super) struct Drain {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    daemon: Daemonward,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Why, for the record.
    #[arg(long, alias = "why", value_name = "TEXT", default_value = "")]
    reason: String,
    /// The number of the change or the incident, for the record.
    #[arg(long, value_name = "TEXT", default_value = "")]
    ticket: String,
    /// In spite of the capacity floor. Needs a --reason.
    #[arg(long, requires = "reason")]
    force: bool,
    /// Show progress until the drain is over and lost packets are counted.
    #[arg(long)]
    wait: bool,
    /// Wait no longer than this; the drain goes on.
    #[arg(long, value_name = "SPAN", value_parser = read_secs, requires = "wait")]
    timeout: Option<u32>,
    /// Print the drain as JSON, as the last line.
    #[arg(long)]
    json: bool,
}

impl Drain {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.daemon.client();
        let name = ServerName {
            service: self.target.service,
            server: self.target.server,
        };
        let request = DrainRequest {
            service: name.service,
            server: name.server,
            policy: self.policy.changes(),
            who: std::env::var("SUDO_USER")
                .or_else(|_| std::env::var("USER"))
                .unwrap_or_default(),
            why: self.reason.clone(),
            ticket: self.ticket.clone(),
            force: self.force,
        };
        let begun = client.drain(&request).await?;
        if !self.wait {
            self.print(
                &begun,
                &format!(
                    "drain {} of {} from {} begins",
                    begun.id, begun.server, begun.service
                ),
            )?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut progress = Progress::start();
        let mut last = begun;
        let waiting = wait(&client, &name, &mut last, &mut progress);
        let in_time = match self.timeout {
            None => Some(waiting.await),
            Some(secs) => timeout(Duration::from_secs(u64::from(secs)), waiting).await.ok(),
        };
        progress.end();
        in_time.transpose()?;
        if last.is_settled() {
            self.print(&last, &settled(&last))?;
            return Ok(exit::of_final(&last));
        }
        self.print(&last, &unfinished(&last))?;
        Ok(ExitCode::from(if last.evidence_unknown {
            exit::UNKNOWN
        } else {
            exit::NOT_IN_TIME
        }))
    }

    fn print(&self, view: &DrainView, sentence: &str) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(view)?);
        } else {
            println!("{sentence}");
        }
        Ok(())
    }
}

/// How the wait for a drain ended.
fn settled(view: &DrainView) -> String {
    match &view.verdict {
        Some(verdict) => verdict.clone(),
        None if view.kept => "drained: proven empty, and kept at weight 0".to_owned(),
        None => {
            let held = view.held.as_deref().unwrap_or("the deadline passed");
            format!("still {}: {held}; the drain goes on", view.state)
        }
    }
}

/// Where a drain stands that is not over after the wait.
fn unfinished(view: &DrainView) -> String {
    if view.state.is_final() {
        return format!(
            "{}, but the wait was over before what that leaves behind was flushed and counted",
            view.state
        );
    }
    let held = view
        .held
        .as_deref()
        .map(|held| format!("; held: {held}"))
        .unwrap_or_default();
    format!("still {} after the wait{held}; the drain goes on", view.state)
}

async fn wait(
    client: &Client,
    name: &ServerName,
    last: &mut DrainView,
    progress: &mut Progress,
) -> Result<(), ClientError> {
    progress.show(last);
    while !last.is_settled() {
        *last = client.newer(name, Some(last.revision)).await?;
        progress.show(last);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::progress::tests::view;
    use super::unfinished;
    use crate::api::DrainView;
    use crate::drain::State;

    #[test]
    fn a_wait_that_ends_early_says_what_is_left() {
        let at = |state| unfinished(&DrainView { state, ..view() });
        assert_eq!(at(State::Quiet), "still quiet after the wait; the drain goes on");
        assert!(at(State::Removed).starts_with("removed, but the wait was over"));
    }
}
