//! `cargo xtask bench …`: what is measured rather than tested. Owns what each verb takes; each has a file that prints it.
//!
//! [`arrivals`]: what a packet costs, in the time of this machine's own kernel; nothing is attached anywhere, the kernel
//! runs the programs on made-up frames. [`cost`]: instructions, on the kernels of the lab. [`loss`]: what each way to take a
//! server out costs its users, there too.

mod arrivals;
mod cost;
mod empty;
mod frames;
mod kernel;
mod loss;
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
    /// What each way to take a real server out of IPVS loses, and how long it takes
    Loss(loss::Loss),
    /// Instructions and memory on the lab's kernels: per packet, per minute, per step, per start, per decision
    Cost(cost::Cost),
}

pub fn serve(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Arrivals { json } => arrivals::run(json).map(|()| ExitCode::SUCCESS),
        Verb::Loss(loss) => loss.run(),
        Verb::Cost(cost) => cost.run().map(|()| ExitCode::SUCCESS),
    }
}
