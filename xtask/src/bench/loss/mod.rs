//! `cargo xtask bench loss`: what each way to take a real server out of IPVS costs, side by side on real kernels.
//!
//! Owns choosing cells, having those run that have no result yet, keeping results, and what is made of them: plots, tables
//! and a verdict.
//! What a cell is, and how it is measured, is the business of the scenario `bench-loss`.

mod bar;
mod boot;
mod document;
mod grid;
mod host;
mod plan;
mod record;
mod share;
mod signs;
mod table;
mod tradeoff;
mod verdict;
mod why;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use crate::cache;
use crate::lab::KernelChoice;
use bar::Bar;
use boot::Boots;
use plan::{Place, Wanted};
use record::Records;
use signs::Signs;
use verdict::Verdict;

const KERNELS: [&str; 2] = ["6.1", "7"];
/// Where results are kept: in the repository; of a small run, which begins anew each time; of this machine.
const FOLDER: &str = "docs/benchmark";
const QUICK_FOLDER: &str = "target/benchmark/quick";
const HOST_FOLDER: &str = "target/benchmark/host";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
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
    /// A small part, anew: four ways, DNS and syslog, direct route; harm or none is compared with what is published
    #[arg(long)]
    quick: bool,
    /// On this machine's own kernel instead of guests, in namespaces of its own: needs root, `ip_vs`, and the programs
    /// that are compared; takes eight minutes for each lot of worlds
    #[arg(long, conflicts_with_all = ["kernels", "guests", "memory"])]
    host: bool,
    /// With --host: a folder with `ipvsdrain-lab` and `ipvsdrain`, where they cannot be built
    #[arg(long, requires_all = ["host", "folder"])]
    binaries: Option<PathBuf>,
    /// Where results are kept and the report is put; cells that are there are not run again [default: docs/benchmark;
    /// target/benchmark/quick or /host for those]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Guests at the same time, each on a kernel of its own [default: one per processor]
    #[arg(long)]
    guests: Option<usize>,
    /// Worlds side by side in one guest, or on this machine, at the most
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
    /// The code is 1 where a cell has no result that means something, ipvsdrain did not keep its promise, or harm is not
    /// what is published.
    pub fn run(self) -> Result<ExitCode> {
        ensure!(
            self.worlds >= 2,
            "a guest holds two worlds at least: one is left alone"
        );
        let folder = cache::workspace().join(self.folder());
        if self.quick && self.folder.is_none() && !self.host && !self.report {
            Records::forget(&folder)?;
        }
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
                commit: commit(),
                memory_mib: self.memory,
                binaries: self.binaries.clone(),
                bar: Bar::start(boots.iter().map(plan::Boot::worlds).sum()),
            };
            all_well = runner.run(boots, self.guests);
        }
        let is_published = self.folder().as_os_str() == FOLDER;
        let records = Records::open(&folder)?;
        let verdict = Verdict::of(&records);
        document::write(&folder, &records, &verdict, is_published)?;
        println!("{verdict}");
        all_well &= verdict.is_kept();
        if !is_published {
            let signs = Signs::compare(&records, &Records::open(&cache::workspace().join(FOLDER))?);
            println!("{signs}");
            all_well &= signs.different.is_empty();
        }
        Ok(if all_well {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn folder(&self) -> &Path {
        let usual = match (self.host, self.quick) {
            (true, _) => HOST_FOLDER,
            (false, true) => QUICK_FOLDER,
            (false, false) => FOLDER,
        };
        self.folder.as_deref().unwrap_or(Path::new(usual))
    }

    fn places(&self) -> Result<Vec<Place>> {
        if self.host {
            return Ok(vec![Place::Host(host::release()?)]);
        }
        let kernels = if self.kernels.is_empty() {
            KERNELS.into_iter().map(str::parse).collect::<Result<Vec<_>>>()?
        } else {
            self.kernels.clone()
        };
        Ok(kernels.into_iter().map(Place::Guest).collect())
    }

    fn wanted(&self) -> Result<Wanted> {
        let quick = |all: &[&'static str], small: &[&'static str]| {
            if self.quick { small.to_vec() } else { all.to_vec() }
        };
        Ok(Wanted {
            places: self.places()?,
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

/// What is measured, as git names it; where there is no git, nobody knows.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(arguments)
            .current_dir(cache::workspace())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    // What this very verb writes changes nothing that is measured.
    let changes = ["status", "--porcelain", "--", ".", ":!docs"];
    let (Some(mut commit), Some(changes)) = (git(&["rev-parse", "--short=12", "HEAD"]), git(&changes)) else {
        return "unknown".to_owned();
    };
    if !changes.is_empty() {
        commit.push_str("-changed");
    }
    commit
}

/// How long a guest may take and say nothing, by this machine's clock: it may share its processor.
const LIMIT: Duration = Duration::from_hours(3);
const SILENCE: Duration = Duration::from_mins(10);
