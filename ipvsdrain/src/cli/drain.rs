//! `ipvsdrain drain`: ask for a drain, and wait for its end if told to.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::time::timeout;

use super::progress::Progress;
use super::{Daemonward, Target, exit};
use crate::api::client::{Client, ClientError};
use crate::api::{DrainRequest, DrainView, ServerName};
use crate::drain::{Pinned, Policy, SysctlUse};

/// Quiesce a real server, wait until it is provably idle, remove it.
#[derive(Debug, Args)]
pub(super) struct Drain {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    daemon: Daemonward,
    /// A UDP flow silent for this long is over.
    #[arg(long, value_name = "SPAN", value_parser = read_secs, default_value = "10s")]
    udp_quiet: u32,
    /// A TCP or SCTP flow that is not established and silent for this long is over.
    #[arg(long, value_name = "SPAN", value_parser = read_secs, default_value = "30s")]
    tcp_quiet: u32,
    /// A TCP flow past FIN or RST, or an SCTP one past SHUTDOWN or ABORT, and silent for this long is over.
    #[arg(long, value_name = "SPAN", value_parser = read_secs, default_value = "10s")]
    closing_quiet: u32,
    /// What to do about UDP flows that never fall silent.
    #[arg(long, value_enum, default_value = "wait")]
    pinned: PinnedArg,
    /// May net.ipv4.vs.expire_nodest_conn be turned on for the moment of the removal?
    #[arg(long, value_enum, default_value = "scoped")]
    sysctl: SysctlArg,
    /// Why, for the record: a ticket, a sentence.
    #[arg(long, default_value = "")]
    reason: String,
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PinnedArg {
    /// Wait for them.
    Wait,
    /// When nothing else is live, remove the server while it still answers: the kernel moves each flow at its next
    /// datagram.
    Migrate,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SysctlArg {
    Scoped,
    Never,
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
            policy: self.policy(),
            who: std::env::var("SUDO_USER")
                .or_else(|_| std::env::var("USER"))
                .unwrap_or_default(),
            why: self.reason.clone(),
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
        if last.over {
            self.print(&last, last.verdict.as_deref().unwrap_or_default())?;
            return Ok(exit::of_final(&last));
        }
        self.print(&last, &unfinished(&last))?;
        Ok(ExitCode::from(if last.evidence_unknown {
            exit::UNKNOWN
        } else {
            exit::NOT_IN_TIME
        }))
    }

    fn policy(&self) -> Policy {
        Policy {
            udp_quiet_secs: self.udp_quiet,
            tcp_quiet_secs: self.tcp_quiet,
            closing_quiet_secs: self.closing_quiet,
            pinned: match self.pinned {
                PinnedArg::Wait => Pinned::Wait,
                PinnedArg::Migrate => Pinned::Migrate,
            },
            sysctl: match self.sysctl {
                SysctlArg::Scoped => SysctlUse::Scoped,
                SysctlArg::Never => SysctlUse::Never,
            },
        }
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
    while !last.over {
        *last = client.newer(name, Some(last.revision)).await?;
        progress.show(last);
    }
    Ok(())
}

/// `90`, `90s` or `2m`, in whole seconds.
fn read_secs(text: &str) -> Result<u32, String> {
    let (number, factor) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let number: u32 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a span: write 90s or 2m"))?;
    number
        .checked_mul(factor)
        .ok_or_else(|| format!("`{text}` is too long"))
}

#[cfg(test)]
mod tests {
    use super::super::progress::tests::view;
    use super::{read_secs, unfinished};
    use crate::api::DrainView;
    use crate::drain::State;

    #[test]
    fn a_wait_that_ends_early_says_what_is_left() {
        let at = |state| unfinished(&DrainView { state, ..view() });
        assert_eq!(at(State::Quiet), "still quiet after the wait; the drain goes on");
        assert!(at(State::Removed).starts_with("removed, but the wait was over"));
    }

    #[test]
    fn spans_are_seconds_or_minutes() {
        assert_eq!(
            (read_secs("90"), read_secs("90s"), read_secs("2m")),
            (Ok(90), Ok(90), Ok(120))
        );
        assert!(read_secs("1h").is_err() && read_secs("-1s").is_err() && read_secs("4294967295m").is_err());
    }
}
