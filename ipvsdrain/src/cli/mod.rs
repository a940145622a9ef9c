//! The command line: one file per verb. Every verb but `daemon`, `check-config` and `doctor` only asks the
//! daemon over its socket.
//!
//! Exit codes are a contract: see [`exit`].

mod check_config;
mod consent;
mod daemon;
mod doctor;
mod drain;
pub mod exit;
mod explain;
#[cfg(test)]
mod fixtures;
mod flows;
mod guard;
mod history;
mod host;
mod logging;
mod netns;
mod order;
mod plan;
mod policy;
mod progress;
mod report;
mod restore;
mod selection;
#[cfg(test)]
mod snapshot_tests;
mod status;
mod top;
mod wait;
mod waiting;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command, CommandFactory, Parser, Subcommand};

use crate::api::DEFAULT_SOCKET;
use crate::api::client::Client;
use crate::identity::{RealServer, VirtualService};

/// Takes a real server out of IPVS without losing a packet, and proves it.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    CheckConfig(check_config::CheckConfig),
    Daemon(daemon::Daemon),
    Doctor(doctor::Doctor),
    Drain(drain::Drain),
    Explain(explain::Explain),
    Flows(flows::Flows),
    History(history::History),
    Plan(plan::Plan),
    Report(report::Report),
    Restore(restore::Restore),
    Status(status::Status),
    Wait(wait::Wait),
    Top(top::Top),
}

/// Where the daemon is reached.
#[derive(Debug, Args)]
struct Daemonward {
    /// The daemon's socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
}

impl Daemonward {
    fn client(&self) -> Client {
        Client::new(&self.socket)
    }
}

/// One real server of one virtual service.
#[derive(Debug, Args)]
struct Target {
    /// Virtual service: udp:10.0.0.1:53, tcp:[2001:db8::1]:443, fwmark:7, fwmark6:7
    service: VirtualService,
    /// Real server: 10.1.0.5:53, [2001:db8::5]:443
    server: RealServer,
}

/// The whole command line, for whoever writes man pages and completions of it.
pub fn command() -> Command {
    Cli::command()
}

/// Reads the arguments, runs the verb, and says on stderr what went wrong.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    if let Verb::Daemon(verb) = &cli.verb
        && let Err(error) = verb.enter_netns()
    {
        return exit::say_error(&error);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::say_error(&anyhow::Error::new(error).context("start the async runtime")),
    };
    let outcome = runtime.block_on(async {
        match cli.verb {
            Verb::CheckConfig(verb) => Ok(verb.run()),
            // Boxed for its size.
            Verb::Daemon(verb) => Box::pin(verb.run()).await,
            Verb::Doctor(verb) => verb.run().await,
            Verb::Drain(verb) => verb.run().await,
            Verb::Explain(verb) => verb.run().await,
            Verb::Flows(verb) => verb.run().await,
            Verb::History(verb) => verb.run().await,
            Verb::Plan(verb) => verb.run().await,
            Verb::Report(verb) => verb.run().await,
            Verb::Restore(verb) => verb.run().await,
            Verb::Status(verb) => verb.run().await,
            Verb::Wait(verb) => verb.run().await,
            Verb::Top(verb) => verb.run().await,
        }
    });
    outcome.unwrap_or_else(|error| exit::say_error(&error))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
