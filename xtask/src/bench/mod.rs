//! `cargo xtask bench …`: what it costs. Owns what each verb takes; each has a file that prints it.
//!
//! `arrivals` measures in the time of this machine's own kernel, and attaches nothing: the kernel runs the programs on
//! made-up frames. `cost` measures in instructions, on the kernels of the lab.

mod arrivals;
mod cost;
mod empty;
mod frames;
mod kernel;
mod tables;

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
    /// Instructions and memory on the lab's kernels: per packet, per minute, per step, per start, per decision
    Cost(cost::Cost),
}

pub fn serve(verb: &Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Arrivals { json } => arrivals::run(*json).map(|()| ExitCode::SUCCESS),
        Verb::Cost(cost) => cost.run().map(|()| ExitCode::SUCCESS),
    }
}
