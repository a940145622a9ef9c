//! `ipvsdrain`: the daemon and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    ipvsdrain::cli::run()
}
