//! Everything a developer runs: `cargo xtask ebpf | lab | demo | bench | page | test | dashboards | dist`.
//!
//! Owns the verbs' names only; each verb lives in a folder or file of its own.

// A program has no outside: here `pub` marks what a module offers to the other verbs.
#![allow(unreachable_pub)]

mod bench;
mod cache;
mod cargo;
mod dashboards;
mod debian;
mod demo;
mod dist;
mod ebpf;
mod lab;
mod page;
mod promtool;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, tests and shows ipvsdrain")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Builds the eBPF object that the daemon embeds
    Ebpf {
        /// Compares with the committed object instead of writing it, and fails if they differ
        #[arg(long)]
        check: bool,
    },
    /// Boots real kernels and runs scenarios in them
    #[command(subcommand)]
    Lab(lab::cli::Verb),
    /// Shows the status page to a headless Chromium in every state, and judges what a person would see
    Page,
    /// Checks everything that must hold, scenarios on real kernels included
    Test(test::Test),
    /// Measures: what a packet costs, what the daemon costs, what each way to take a server out loses
    #[command(subcommand)]
    Bench(bench::Verb),
    /// Does the same maintenance four ways on real kernels and compares what each lost
    Demo(demo::Demo),
    /// Makes the Grafana dashboard, and prints what it and the rules ask Prometheus
    #[command(subcommand)]
    Dashboards(dashboards::Verb),
    /// Makes the Debian package and the archive of a release build, in target/dist
    Dist,
}

fn main() -> ExitCode {
    let ended = match Arguments::parse().verb {
        Verb::Ebpf { check } => ebpf::run(check).map(|()| ExitCode::SUCCESS),
        Verb::Lab(verb) => lab::cli::serve(verb),
        Verb::Page => page::run().map(|()| ExitCode::SUCCESS),
        Verb::Test(test) => test::run(&test),
        Verb::Bench(verb) => bench::serve(verb),
        Verb::Demo(demo) => demo.run(),
        Verb::Dashboards(verb) => dashboards::serve(&verb),
        Verb::Dist => dist::run(),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::from(2)
    })
}
