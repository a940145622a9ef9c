//! `cargo xtask test`: everything that must hold, from the cheapest to the dearest.
//!
//! Format, lints, the tests that need no kernel, the committed eBPF object against its source, what promtool and Grafana's
//! types say of metrics, rules and dashboard, then the scenarios on real kernels. A part that cannot run has failed; nothing is skipped.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use crate::lab::{self, Event, KernelChoice, Request, ScenarioResult};
use crate::{dashboards, promtool};

/// Judges no figure, and takes minutes: `cargo xtask bench cost` prints what it measures.
fn measures(scenario: &str) -> bool {
    scenario == "observer-cost" || scenario.starts_with("cost-")
}

/// Where kernels differ most, and what a user relies on first. The other scenarios are dealt out among the kernels, and
/// so are the rows of those two that are long tables.
const ON_EVERY_KERNEL: [&str; 11] = [
    "kernel-has-ip-vs",
    "each-scenario-starts-clean",
    "kernel-reference",
    "lossless-direct-route",
    "lossless-masquerade",
    "lossless-ipip",
    "netlink-round-trip",
    "observer-counts",
    "observer-matrix",
    "situations",
    "maintenance",
];

#[derive(Debug, Args)]
pub struct Test {
    /// Kernel series for the scenarios: 5.10, 6.1, 6.12, 7, or `all`
    #[arg(long, value_delimiter = ',', default_value = "6.1,7")]
    kernels: Vec<String>,
    /// Run these scenarios only, and none of the other parts
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// Play everything on every kernel, and measure costs; else what takes long is dealt out among the kernels
    #[arg(long)]
    full: bool,
}

pub fn run(test: &Test) -> anyhow::Result<ExitCode> {
    let kernels = kernels(&test.kernels)?;
    if test.scenarios.is_empty() {
        cargo("format", &["fmt", "--all", "--check"])?;
        cargo(
            "lints",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "--deny",
                "warnings",
            ],
        )?;
        cargo("tests without a kernel", &["test", "--workspace"])?;
        part("the eBPF object is what its source says", || {
            crate::ebpf::run(true)
        })?;
        part("the metrics are as promtool wants them", || {
            promtool::check_metrics(promtool::command()?)
        })?;
        part(
            "Prometheus takes the rules, and Grafana the dashboard",
            dashboards::check,
        )?;
        part("the status page is as a person needs it", crate::page::run)?;
    }
    let mut requests = Vec::new();
    // 5.10 plays its own rows of them, on its own rungs: nobody can play them in its stead.
    let sharing: Vec<usize> = (0..kernels.len())
        .filter(|number| kernels[*number].has_module_types())
        .collect();
    for (number, kernel) in kernels.iter().enumerate() {
        let mut names = lab::scenarios::names_for(kernel, &test.scenarios)?;
        let shares = !test.full && test.scenarios.is_empty();
        let part = sharing.iter().position(|sharer| *sharer == number);
        let part = part.filter(|_| shares);
        if let Some(part) = part {
            names = dealt(names, part, sharing.len());
        }
        let mut request = Request::new(kernel.clone(), names);
        if let Some(part) = part {
            request.options = json!({"share": {"part": part, "of": sharing.len()}});
        }
        requests.push(request);
    }
    let mut results = Vec::new();
    for outcome in lab::run_side_by_side(&requests, &|_, event| tell(event)) {
        results.extend(outcome?);
    }
    Ok(report(&results))
}

/// What of all scenarios one of several kernels plays.
fn dealt(names: Vec<String>, part: usize, of: usize) -> Vec<String> {
    let mut number = 0;
    let plays = |name: &String| {
        if measures(name) {
            return false;
        }
        if ON_EVERY_KERNEL.contains(&name.as_str()) {
            return true;
        }
        number += 1;
        number % of == part
    };
    names.into_iter().filter(plays).collect()
}

fn kernels(asked: &[String]) -> anyhow::Result<Vec<KernelChoice>> {
    if asked == ["all"] {
        return Ok(KernelChoice::every());
    }
    asked
        .iter()
        .map(|kernel| kernel.parse().map_err(anyhow::Error::msg))
        .collect()
}

fn cargo(name: &str, arguments: &[&str]) -> anyhow::Result<()> {
    part(name, || {
        let status = crate::cargo::command()
            .args(arguments)
            .status()
            .context("cannot start cargo")?;
        if !status.success() {
            bail!("`cargo {}` failed", arguments.join(" "));
        }
        Ok(())
    })
}

fn part(name: &str, run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    eprintln!("test: {name}");
    let begin = Instant::now();
    run().with_context(|| format!("{name}: failed"))?;
    eprintln!("test: {name}: holds ({:.0} s)", begin.elapsed().as_secs_f64());
    Ok(())
}

fn tell(event: &Event) {
    match event {
        Event::Booted { kernel, .. } => eprintln!("test: {kernel} is up"),
        Event::Finished(result) => eprintln!("{}", line(result)),
        Event::Trouble { text } => eprintln!("test: {text}"),
        _ => {}
    }
}

fn line(result: &ScenarioResult) -> String {
    let word = if result.passed { "passed" } else { "FAILED" };
    let error = result
        .error
        .as_ref()
        .map(|text| format!("\n{text}"))
        .unwrap_or_default();
    format!(
        "{word}  {}  {}  {:.0} s of the guest's time{error}",
        result.kernel, result.scenario, result.guest_seconds
    )
}

/// The list of what ran where, and the count that ends the run.
fn report(results: &[ScenarioResult]) -> ExitCode {
    println!();
    let mut kernels: Vec<&str> = results.iter().map(|result| result.kernel.as_str()).collect();
    kernels.dedup();
    for kernel in kernels {
        let ran = results.iter().filter(|result| result.kernel == kernel);
        let passed = ran.clone().filter(|result| result.passed).count();
        println!("{kernel}: {passed} of {} scenarios passed", ran.count());
    }
    for result in results.iter().filter(|result| !result.passed) {
        println!("{}", line(result));
    }
    let failed = results.iter().filter(|result| !result.passed).count();
    println!("scenarios: {} passed, {failed} failed", results.len() - failed);
    if failed == 0 && !results.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_the_kernels_play_everything_that_judges() {
        let all: Vec<String> = [
            "kernel-reference",
            "a",
            "b",
            "observer-cost",
            "c",
            "cost-packets",
            "situations",
        ]
        .map(str::to_owned)
        .to_vec();
        let parts = [dealt(all.clone(), 0, 2), dealt(all, 1, 2)];
        assert_eq!(parts[0], ["kernel-reference", "b", "situations"]);
        assert_eq!(parts[1], ["kernel-reference", "a", "c", "situations"]);
    }
}
