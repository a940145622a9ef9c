//! `cargo xtask bench cost`: what ipvsdrain costs on the lab's kernels, as tables that a document takes as they are.
//!
//! Owns which scenarios are run and with what. They measure and judge no figure; one that finds something missing or lost
//! fails, and then nothing is printed.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;

use super::tables::{Measured, draw};
use crate::lab::{self, Build, Event, KernelChoice, Request, ScenarioResult};

const KERNELS: [&str; 2] = ["6.1", "7"];
const SCENARIOS: [&str; 5] = [
    "cost-packets",
    "cost-servers",
    "cost-flows",
    "cost-start",
    "cost-decision",
];
/// A million flows are as many entries of IPVS.
const MEMORY_MIB: u32 = 2048;

#[derive(Debug, Args)]
pub struct Cost {
    /// Kernel series; may be given more than once [default: 6.1 and 7]
    #[arg(long = "kernel")]
    kernels: Vec<KernelChoice>,
    /// Measure this alone; may be given more than once
    #[arg(long = "only", value_name = "WHAT", value_parser = ["packets", "servers", "flows", "start", "decision"])]
    only: Vec<String>,
    /// The flows of the drained server in `flows`, in whole thousands
    #[arg(long, default_value_t = 1_000_000)]
    flows: u32,
    /// Write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Cost {
    pub(super) fn run(&self) -> Result<()> {
        let kernels = if self.kernels.is_empty() {
            KERNELS.into_iter().map(str::parse).collect::<Result<Vec<_>>>()?
        } else {
            self.kernels.clone()
        };
        let requests: Vec<Request> = kernels.iter().map(|kernel| self.request(kernel)).collect();
        let outcomes = lab::run_side_by_side(&requests, &|place, event| tell(&kernels[place], event));
        let mut measured = Vec::new();
        for (kernel, outcome) in kernels.iter().zip(outcomes) {
            let results = outcome.with_context(|| format!("kernel {kernel}"))?;
            measured.push(read(&results).with_context(|| format!("kernel {kernel}"))?);
        }
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(&measured)?;
            fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        }
        println!("{}", draw(&measured));
        Ok(())
    }

    fn request(&self, kernel: &KernelChoice) -> Request {
        let is_wanted = |name: &&str| {
            self.only.is_empty()
                || self
                    .only
                    .iter()
                    .any(|only| name.strip_prefix("cost-") == Some(only))
        };
        let scenarios = SCENARIOS
            .into_iter()
            .filter(is_wanted)
            .map(str::to_owned)
            .collect();
        Request {
            build: Build::Release,
            memory_mib: MEMORY_MIB,
            options: json!({"flows": self.flows}),
            // A million flows take minutes.
            silence_limit: Duration::from_mins(10),
            limit: Duration::from_hours(3),
            ..Request::new(kernel.clone(), scenarios)
        }
    }
}

fn tell(kernel: &KernelChoice, event: &Event) {
    match event {
        Event::Booted { kernel, .. } => eprintln!("bench: {kernel} is up"),
        Event::Started { scenario } => eprintln!("bench: kernel {kernel}: {scenario}"),
        Event::Progress { data, .. } => {
            if let Some(step) = data["step"].as_str() {
                eprintln!("bench: kernel {kernel}: {step}");
            }
        }
        Event::Finished(result) => {
            let word = if result.passed { "measured" } else { "FAILED" };
            eprintln!("bench: kernel {kernel}: {}: {word}", result.scenario);
        }
        Event::Trouble { text } => eprintln!("bench: kernel {kernel}: {text}"),
        _ => {}
    }
}

fn read(results: &[ScenarioResult]) -> Result<Measured> {
    let mut measured = Measured::default();
    for result in results {
        ensure!(
            result.passed,
            "{}: {}",
            result.scenario,
            result.error.as_deref().unwrap_or("no reason is given")
        );
        measured.take(&result.kernel, &result.value)?;
    }
    Ok(measured)
}
