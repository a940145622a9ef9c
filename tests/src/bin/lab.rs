//! `ipvsdrain-lab`: the first process of the lab's guest; on a host, lists scenarios or runs them there.

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};
use ipvsdrain_tests::protocol::{Event, Request};
use ipvsdrain_tests::scenario::{Sink, all};
use ipvsdrain_tests::{guest, performance};

#[derive(Parser)]
#[command(
    name = "ipvsdrain-lab",
    about = "Scenarios of ipvsdrain; `cargo xtask lab` runs them in a guest"
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Shows every scenario
    List {
        /// As a JSON list of name, about and programs
        #[arg(long)]
        json: bool,
    },
    /// Runs scenarios on this machine itself: needs root and `ip_vs`; writes one JSON event per line
    Run {
        #[arg(required = true)]
        names: Vec<String>,
        /// JSON handed to the scenarios
        #[arg(long, default_value = "null", value_parser = read_json)]
        options: serde_json::Value,
        /// Seconds one scenario may take
        #[arg(long, default_value_t = 3600)]
        limit: u64,
    },
    /// One scenario, inside the namespaces made for it
    #[command(hide = true)]
    Perform {
        name: String,
        #[arg(long, value_parser = read_json)]
        options: serde_json::Value,
    },
}

fn main() -> ExitCode {
    // The kernel hands the words of its command line that it does not know to its first process.
    if guest::is_this() {
        guest::main();
    }
    match serve(Arguments::parse().verb) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ipvsdrain-lab: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn serve(verb: Verb) -> anyhow::Result<bool> {
    match verb {
        Verb::List { json: true } => println!("{}", serde_json::to_string(&all())?),
        Verb::List { json: false } => {
            for scenario in all() {
                println!("{:24} {}", scenario.name, scenario.about);
            }
        }
        Verb::Run {
            names,
            options,
            limit,
        } => return run_here(names, options, limit),
        Verb::Perform { name, options } => performance::perform(&name, options)?,
    }
    Ok(true)
}

fn run_here(scenarios: Vec<String>, options: serde_json::Value, limit_seconds: u64) -> anyhow::Result<bool> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "scenarios change the kernel's tables: run them as root"
    );
    if !Path::new("/proc/net/ip_vs").exists() {
        // Whatever modprobe says, the check below decides.
        let _ = Command::new("modprobe").arg("ip_vs").output();
    }
    ensure!(
        Path::new("/proc/net/ip_vs").exists(),
        "this machine's kernel has no ip_vs: run the scenarios in a guest, `cargo xtask lab run`"
    );
    // Scenarios start the daemon by its name; it was built beside this binary.
    let beside = std::env::current_exe().context("cannot find this binary")?;
    let mut path = beside.parent().unwrap_or(Path::new("/")).as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    // SAFETY: no other thread exists yet.
    unsafe { std::env::set_var("PATH", path) };
    let request = Request {
        scenarios,
        options,
        limit_seconds,
        ..Request::default()
    };
    let sink: Sink = Arc::new(|event: &Event| {
        // A reader that went away is no reason to stop half-way through a scenario's clean-up.
        let _ = std::io::stdout().write_all(event.to_line().as_bytes());
    });
    Ok(performance::run_all(&request, &sink))
}

/// By its own, clap would take any text for a JSON string.
fn read_json(text: &str) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(text)
}
