//! `cargo xtask bench loss`: what each way to take a real server out of IPVS costs, side by side on real kernels.
//!
//! Owns choosing cells, booting guests for those that have no result yet, keeping results, and the report made of them.
//! What a cell is, and how it is measured, is the business of the scenario `bench-loss`.

mod bar;
mod boot;
mod document;
mod grid;
mod plan;
mod record;
mod share;
mod table;
mod tradeoff;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cache;
use crate::lab::KernelChoice;
use bar::Bar;
use boot::Boots;
use plan::Wanted;
use record::Records;

const KERNELS: [&str; 2] = ["6.1", "7"];
/// Where results are kept, in the repository.
const FOLDER: &str = "docs/benchmark";

#[derive(Debug, Args)]
pub struct Loss {
    /// Ways to take a server out; may be given more than once [default: all]
    #[arg(long = "strategy")]
    strategies: Vec<String>,
    /// Kinds of traffic [default: all]
    #[arg(long = "traffic")]
    traffic: Vec<String>,
    /// direct-route, masquerade, tunnel [default: all]
    #[arg(long = "forwarding")]
    forwardings: Vec<String>,
    /// Kernel series [default: 6.1 and 7]
    #[arg(long = "kernel")]
    kernels: Vec<KernelChoice>,
    /// A small part: three ways, DNS and syslog, direct route
    #[arg(long)]
    quick: bool,
    /// Where results are kept and the plot is put; cells that are there are not run again
    #[arg(long, default_value = FOLDER)]
    folder: PathBuf,
    /// Guests at the same time, each on a kernel of its own [default: one per processor]
    #[arg(long)]
    guests: Option<usize>,
    /// Worlds in one guest at the most
    #[arg(long, default_value_t = 30)]
    worlds: usize,
    /// A guest's memory in MiB
    #[arg(long, default_value_t = 4096)]
    memory: u32,
    /// Show what would run, and run nothing
    #[arg(long)]
    dry_run: bool,
    /// Run nothing, and make the report anew
    #[arg(long)]
    report: bool,
}

impl Loss {
    /// The code is 1 where a cell has no result that means something.
    pub fn run(self) -> Result<ExitCode> {
        ensure!(
            self.worlds >= 2,
            "a guest holds two worlds at least: one is left alone"
        );
        let folder = cache::workspace().join(&self.folder);
        let records = Records::open(&folder)?;
        let wanted = self.wanted()?;
        let boots = plan::boots(&wanted, &records, self.worlds);
        let missing: usize = boots.iter().map(plan::Boot::cells).sum();
        eprintln!(
            "bench: {} cells wanted, {missing} of them missing: {} boots",
            wanted.cells(),
            boots.len()
        );
        if self.dry_run {
            for boot in &boots {
                println!("{boot}");
            }
            return Ok(ExitCode::SUCCESS);
        }
        let mut all_well = true;
        if !self.report && !boots.is_empty() {
            let records = Mutex::new(records);
            let runner = Boots {
                records: &records,
                commit: commit()?,
                memory_mib: self.memory,
                bar: Bar::start(boots.iter().map(plan::Boot::worlds).sum()),
            };
            all_well = runner.run(boots, self.guests);
        }
        document::write(&folder, self.folder.as_os_str() == FOLDER)?;
        Ok(if all_well {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn wanted(&self) -> Result<Wanted> {
        let kernels = if self.kernels.is_empty() {
            KERNELS.into_iter().map(str::parse).collect::<Result<Vec<_>>>()?
        } else {
            self.kernels.clone()
        };
        let quick = |all: &[&'static str], small: &[&'static str]| {
            if self.quick { small.to_vec() } else { all.to_vec() }
        };
        Ok(Wanted {
            kernels,
            strategies: plan::chosen(
                "strategy",
                &self.strategies,
                &plan::STRATEGIES,
                quick(
                    &plan::STRATEGIES,
                    &[
                        "control",
                        "delete",
                        "fixed-timer-10",
                        "ipvsdrain",
                        "ipvsdrain-migrate",
                    ],
                ),
            )?,
            traffic: plan::chosen(
                "traffic",
                &self.traffic,
                &plan::TRAFFIC,
                quick(&plan::TRAFFIC, &["dns", "syslog"]),
            )?,
            forwardings: plan::chosen(
                "forwarding",
                &self.forwardings,
                &plan::FORWARDINGS,
                quick(&plan::FORWARDINGS, &["direct-route"]),
            )?,
        })
    }
}

/// What is measured, as git names it.
fn commit() -> Result<String> {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(arguments)
            .current_dir(cache::workspace())
            .output()
            .context("cannot start git")?;
        anyhow::Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let mut commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // What this very verb writes changes nothing that is measured.
    if !git(&["status", "--porcelain", "--", ".", ":!docs"])?.is_empty() {
        commit.push_str("-changed");
    }
    Ok(commit)
}

/// How long a guest may take and say nothing, by this machine's clock: it may share its processor.
const LIMIT: Duration = Duration::from_hours(3);
const SILENCE: Duration = Duration::from_mins(10);
