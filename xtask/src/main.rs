//! Everything a developer runs: `cargo xtask ebpf | lab | demo | test`.

mod ebpf;

use anyhow::Result;
use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Verb {
    /// Build the eBPF object that the daemon embeds
    Ebpf {
        /// Compare with the committed object instead of writing it
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<()> {
    match Verb::parse() {
        Verb::Ebpf { check } => ebpf::run(check),
    }
}
