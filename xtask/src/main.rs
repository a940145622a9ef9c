//! Everything a developer runs: `cargo xtask ebpf | lab | demo | test`.
//!
//! Owns the verbs' names only; each verb lives in a folder or file of its own.

// A program has no outside: here `pub` marks what a module offers to the other verbs.
#![allow(unreachable_pub)]

mod lab;

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
    /// Boots real kernels and runs scenarios in them
    #[command(subcommand)]
    Lab(lab::cli::Verb),
}

fn main() -> ExitCode {
    let ended = match Arguments::parse().verb {
        Verb::Lab(verb) => lab::cli::serve(verb),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::from(2)
    })
}
