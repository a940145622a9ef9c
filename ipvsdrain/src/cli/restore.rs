//! `ipvsdrain restore`: undo a drain, or all drains of a host, and wait until that is done.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::consent::{self, ConsentArgs};
use super::policy::read_secs;
use super::selection::{self, Selected, Selection};
use super::{Daemonward, exit, waiting};
use crate::api::client::{Client, ClientError};
use crate::api::{DrainView, ServerName};
use crate::drain::State;

/// Give a drained real server its own weight back, or put it back if it was removed. Ends once that is done; if
/// something holds it, at once, unless --timeout says how long to wait for that to pass.
#[derive(Debug, Args)]
#[command(
    override_usage = "ipvsdrain restore [OPTIONS] SERVICE SERVER\n       ipvsdrain restore [OPTIONS] --server ADDR"
)]
pub(super) struct Restore {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    daemon: Daemonward,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Wait for as long as this, even while something holds it; the restore goes on.
    #[arg(long, value_name = "SPAN", value_parser = read_secs)]
    timeout: Option<u32>,
    /// Print the drain as JSON; with --server ADDR one object with all of them.
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.daemon.client();
        let host = match self.selection.selected()? {
            Selected::One(name) => {
                let view = self.restored(&client, &name).await?;
                println!(
                    "{}",
                    waiting::render(std::slice::from_ref(&view), false, self.json, said)
                );
                return Ok(ExitCode::from(code(&view, self.timeout.is_some())));
            }
            Selected::Host(host) => host,
        };
        let names = selection::to_restore(&host, &client.status().await?)?;
        if self.consent.must_ask("restore", names.len())?
            && !consent::ask(&format!("Restore {host} in {} services?", names.len()))?
        {
            eprintln!("ipvsdrain: nothing was changed");
            return Ok(ExitCode::from(exit::CANCELLED));
        }
        let (mut views, mut codes) = (Vec::new(), Vec::new());
        for name in &names {
            // What can come back does, whatever becomes of the others.
            match self.restored(&client, name).await {
                Ok(view) => {
                    codes.push(code(&view, self.timeout.is_some()));
                    views.push(view);
                }
                Err(error) => {
                    let error =
                        anyhow::Error::new(error).context(format!("{} {}", name.service, name.server));
                    eprintln!("ipvsdrain: {error:#}");
                    codes.push(exit::code_of(&error));
                }
            }
        }
        println!("{}", waiting::render(&views, true, self.json, said));
        Ok(ExitCode::from(exit::worst(codes.into_iter())))
    }

    /// Turned around, and over; or held, or out of time.
    async fn restored(&self, client: &Client, name: &ServerName) -> Result<DrainView, ClientError> {
        let mut view = client.restore(name).await?;
        match self.timeout {
            None => follow(client, name, &mut view, |view| view.held.is_none()).await?,
            Some(secs) => {
                let following = follow(client, name, &mut view, |_| true);
                let in_time = timeout(Duration::from_secs(u64::from(secs)), following).await;
                in_time.unwrap_or(Ok(()))?;
            }
        }
        Ok(view)
    }
}

/// Follows it until it is over, for as long as it `may` go on.
async fn follow(
    client: &Client,
    name: &ServerName,
    view: &mut DrainView,
    may: impl Fn(&DrainView) -> bool,
) -> Result<(), ClientError> {
    while !view.over && may(view) {
        *view = client.newer(name, Some(view.revision)).await?;
    }
    Ok(())
}

/// How it ended, or what it waits for.
pub(super) fn said(view: &DrainView) -> String {
    let held = view.held.as_ref();
    view.verdict
        .clone()
        .or_else(|| held.map(|held| format!("still {}: {held}; the restore goes on", view.state)))
        .unwrap_or_else(|| format!("still {} after the wait; the restore goes on", view.state))
}

const fn code(view: &DrainView, waited: bool) -> u8 {
    match view.state {
        State::Restored => exit::DONE,
        State::Yielded => exit::CANCELLED,
        _ if waited && view.evidence_unknown => exit::UNKNOWN,
        _ if waited => exit::NOT_IN_TIME,
        _ => exit::ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::view;
    use super::*;

    #[test]
    fn what_is_not_restored_is_never_told_as_done() {
        let at = |state| DrainView { state, ..view() };
        for (state, waited, expected) in [
            (State::Restored, false, exit::DONE),
            (State::Restored, true, exit::DONE),
            (State::Yielded, true, exit::CANCELLED),
            (State::Restoring, false, exit::ERROR),
            (State::Restoring, true, exit::NOT_IN_TIME),
        ] {
            assert_eq!(code(&at(state), waited), expected, "{state}");
        }
        let unknown = DrainView {
            evidence_unknown: true,
            held: Some("the table cannot be read".to_owned()),
            ..at(State::Restoring)
        };
        assert_eq!(code(&unknown, true), exit::UNKNOWN);
        assert_eq!(
            said(&unknown),
            "still restoring: the table cannot be read; the restore goes on"
        );
        assert_eq!(
            said(&at(State::Restoring)),
            "still restoring after the wait; the restore goes on"
        );
    }
}
