//! `ipvsdrain restore`: undo a drain, and wait until that is done.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::policy::read_secs;
use super::{Daemonward, Target, exit};
use crate::api::client::{Client, ClientError};
use crate::api::{DrainView, ServerName};
use crate::drain::State;

/// Give a drained real server its own weight back, or put it back if it was removed. Ends once that is done; if
/// something holds it, at once, unless --timeout says how long to wait for that to pass.
#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    daemon: Daemonward,
    /// Wait for as long as this, even while something holds it; the restore goes on.
    #[arg(long, value_name = "SPAN", value_parser = read_secs)]
    timeout: Option<u32>,
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
        match self.timeout {
            None => wait(&client, &name, &mut view, |view| view.held.is_none()).await?,
            Some(secs) => {
                let waiting = wait(&client, &name, &mut view, |_| true);
                let in_time = timeout(Duration::from_secs(u64::from(secs)), waiting).await;
                in_time.unwrap_or(Ok(()))?;
            }
        }
        if self.json {
            println!("{}", serde_json::to_string(&view)?);
        } else {
            println!("{}", sentence(&view));
        }
        Ok(ExitCode::from(code(&view, self.timeout.is_some())))
    }
}

/// Follows it until it is over, for as long as it `may` go on.
async fn wait(
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
fn sentence(view: &DrainView) -> String {
    let held = view.held.as_ref();
    view.verdict
        .clone()
        .or_else(|| held.map(|held| format!("still {}: {held}; the restore goes on", view.state)))
        .unwrap_or_else(|| format!("still {} after the wait; the restore goes on", view.state))
}

fn code(view: &DrainView, waited: bool) -> u8 {
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
    use super::super::progress::tests::view;
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
            sentence(&unknown),
            "still restoring: the table cannot be read; the restore goes on"
        );
        assert_eq!(
            sentence(&at(State::Restoring)),
            "still restoring after the wait; the restore goes on"
        );
    }
}
