//! `cargo xtask demo`: the same maintenance done four ways on real kernels, side by side.
//!
//! Owns booting one guest per kernel and showing what came out. What a maintenance is lives in the scenario
//! `maintenance` of the tests.

mod outcome;
mod progress;
mod table;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use crate::lab::{self, KernelChoice, Request, ScenarioResult};
use outcome::Comparison;
use progress::Progress;

const SCENARIO: &str = "maintenance";
const KERNELS: [&str; 2] = ["6.1", "7"];
const OURS: &str = "ipvsdrain-migrate";
const STRATEGIES: [&str; 4] = ["delete", "fixed-timer-10", "counter-poll", OURS];

#[derive(Debug, Args)]
pub struct Demo {
    /// Kernel series; may be given more than once [default: 6.1 and 7]
    #[arg(long = "kernel")]
    kernels: Vec<KernelChoice>,
    /// Print one JSON line per kernel after the tables
    #[arg(long)]
    json: bool,
}

impl Demo {
    /// The code is 1 where a promise was broken, or where the demo would prove nothing.
    pub fn run(self) -> Result<ExitCode> {
        let kernels = if self.kernels.is_empty() {
            KERNELS.into_iter().map(str::parse).collect::<Result<Vec<_>>>()?
        } else {
            self.kernels
        };
        let progress = Progress::start();
        let lines: Vec<_> = kernels
            .iter()
            .map(|kernel| progress.line(&kernel.to_string()))
            .collect();
        let requests: Vec<_> = kernels.iter().cloned().map(request).collect();
        let compared = lab::run_side_by_side(&requests, &|place, event| lines[place].show(event));
        drop(lines);
        progress.end();

        let mut kept = true;
        let mut lines = Vec::new();
        for (kernel, comparison) in kernels.iter().zip(compared) {
            let comparison = comparison
                .and_then(compare)
                .with_context(|| format!("kernel {kernel}"))?;
            println!("{}", table::draw(&comparison));
            for fault in comparison.faults() {
                kept = false;
                println!("FAILED on {}: {fault}", comparison.kernel);
            }
            lines.push(serde_json::to_string(&comparison)?);
        }
        if self.json {
            println!("{}", lines.join("\n"));
        }
        Ok(if kept {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// All four maintenances on one kernel, one after the other. They are named, so that the scenario leaves the verdict
/// to the demo, which shows it.
fn request(kernel: KernelChoice) -> Request {
    Request {
        options: json!({"strategies": STRATEGIES}),
        ..Request::new(kernel, vec![SCENARIO.to_owned()])
    }
}

fn compare(results: Vec<ScenarioResult>) -> Result<Comparison> {
    let Some(result) = results.into_iter().next() else {
        bail!("the lab returned no result")
    };
    if let Some(error) = result.error {
        bail!("{error}");
    }
    Comparison::read(result.kernel, &result.value)
}
