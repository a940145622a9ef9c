//! `cargo xtask bench …`: what a packet costs, in the time of this machine's own kernel.
//!
//! Owns what each verb takes and prints. Nothing is attached anywhere: the kernel runs the programs on made-up frames.
//! Instructions on other kernels are the lab's (`observer-cost`).

mod arrivals;
mod empty;
mod frames;
mod kernel;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Nanoseconds per packet of the programs that count arrivals; needs root
    Arrivals {
        /// Print the results as one JSON list
        #[arg(long)]
        json: bool,
    },
}

pub fn serve(verb: &Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Arrivals { json } => arrivals::run(*json).map(|()| ExitCode::SUCCESS),
    }
}
