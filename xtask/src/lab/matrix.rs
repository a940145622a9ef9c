//! `cargo xtask lab matrix`: the scenario `observer-matrix`, cell by cell, as a table or as JSON.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::run::run;
use super::{Event, KernelChoice, Request};

const SCENARIO: &str = "observer-matrix";

#[derive(Debug, Args)]
pub struct Matrix {
    /// Kernel series: 5.10, 6.1, 6.12 or 7; may be given more than once [default: 6.1]
    #[arg(long = "kernel")]
    kernels: Vec<KernelChoice>,
    /// Only cells whose name contains this, such as `v6-udp`
    #[arg(long, default_value = "")]
    only: String,
    /// End with one line of JSON per kernel
    #[arg(long)]
    json: bool,
}

/// All cells of one kernel, each as the scenario told it.
#[derive(Debug, Serialize)]
struct Line {
    kernel: String,
    cells: Vec<Value>,
}

impl Matrix {
    /// Runs the matrix on each kernel; the code is 1 where a cell is not as expected.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let mut kernels = self.kernels.clone();
        if kernels.is_empty() {
            kernels.push(KernelChoice::Debian("6.1"));
        }
        let mut all_hold = true;
        let mut lines = Vec::new();
        for kernel in kernels {
            let (holds, line) = self.on(kernel)?;
            all_hold &= holds;
            lines.push(line);
        }
        if self.json {
            for line in lines {
                println!("{}", serde_json::to_string(&line)?);
            }
        }
        Ok(if all_hold {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// Prints each cell as it ends. Returns whether all hold, and the kernel's line of JSON.
    fn on(&self, kernel: KernelChoice) -> anyhow::Result<(bool, Line)> {
        let mut request = Request::new(kernel, vec![SCENARIO.to_owned()]);
        request.options = json!({"only": self.only});
        // On the lower rungs it waits for the kernel to forget, which takes no time but the guest's.
        request.guest_limit = Duration::from_hours(12);
        let mut cells: Vec<Value> = Vec::new();
        let results = run(&request, &mut |event| match event {
            Event::Booted { kernel, .. } => println!("{kernel}\n{}", heading()),
            Event::Progress { data, .. } => {
                println!("{}", row(data));
                cells.push(data.clone());
            }
            Event::Trouble { text } => eprintln!("lab: {text}"),
            _ => {}
        })?;
        let result = results.first().context("the guest gave no result")?;
        if let Some(error) = &result.error {
            eprintln!("{error}");
        }
        ensure!(!cells.is_empty(), "no cell ended on {}", result.kernel);
        let right = cells.iter().filter(|cell| cell["ok"] == true).count();
        println!(
            "{}: {right} of {} cells are as expected ({:.0} s of the guest's time)",
            result.kernel,
            cells.len(),
            result.guest_seconds
        );
        let holds = result.passed && right == cells.len();
        let kernel = result.kernel.clone();
        Ok((holds, Line { kernel, cells }))
    }
}

const COLUMNS: [(&str, &str); 10] = [
    ("arrived", "arrived"),
    ("forwarded", "forwarded"),
    ("elsewhere", "elsewhere"),
    ("lost", "lost"),
    ("replied", "replied"),
    ("live_udp", "UDP"),
    ("live_tcp_open", "TCP open"),
    ("live_tcp_closing", "closing"),
    ("live_after", "after"),
    ("not_followed", "lost track"),
];

fn heading() -> String {
    let mut line = format!("{:36}", "expected=seen");
    for (_, title) in COLUMNS {
        let _ = write!(line, "{title:>12}");
    }
    line
}

/// `4` where both agree, `4≠3` where 4 were expected and 3 seen.
fn row(cell: &Value) -> String {
    let word = if cell["ok"] == true { "ok" } else { "WRONG" };
    let mut line = format!("{word:6}{:30}", cell["name"].as_str().unwrap_or("?"));
    let nothing = Map::new();
    let side = |name: &str| cell[name].as_object().unwrap_or(&nothing);
    for (key, _) in COLUMNS {
        let (expected, seen) = (side("expected").get(key), side("seen").get(key));
        let text = match (expected, seen) {
            (Some(expected), Some(seen)) if expected == seen => seen.to_string(),
            (Some(expected), Some(seen)) => format!("{expected}≠{seen}"),
            _ => "-".to_owned(),
        };
        let _ = write!(line, "{text:>12}");
    }
    for key in ["trouble", "error"] {
        if let Some(text) = cell[key].as_str() {
            let _ = write!(line, "  {text}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_where_the_two_sides_differ() {
        let counts = |forwarded: u64| json!({"forwarded": forwarded, "live_udp": 4});
        let cell = json!({"name": "v4-udp-gue-ops", "ok": false, "expected": counts(12), "seen": counts(11)});
        let row = row(&cell);
        assert!(row.starts_with("WRONG v4-udp-gue-ops"), "{row}");
        assert!(row.contains(" 12≠11 ") && row.contains(" 4 "), "{row}");
    }
}
