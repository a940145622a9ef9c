//! What `dashboards/` holds: the Grafana dashboard made from source, and everything that must be true of it and of the
//! rules for Prometheus.
//!
//! Owns the verbs; [`grafana`] makes the dashboard, [`queries`] finds what is asked, [`rules`] and [`schema`] have it judged by
//! promtool and by Grafana's published types. What text alone can tell is in the tests.

mod grafana;
// The lab runs the same queries against a real Prometheus; compiling the same file keeps both in step.
#[path = "../../../tests/src/dashboards/mod.rs"]
#[allow(dead_code, reason = "this side reads more of some things and less of others")]
mod queries;
mod rules;
mod schema;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use crate::cache;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Writes dashboards/ipvsdrain.json from its source in xtask/src/dashboards/grafana
    Make,
    /// Has promtool and Grafana's published types judge the rules and the dashboard
    Check,
    /// Prints every query of the dashboard and the rules, a JSON object a line
    Queries,
}

pub fn serve(verb: &Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Make => make()?,
        Verb::Check => check()?,
        Verb::Queries => {
            for query in queries::queries()? {
                println!(
                    "{}",
                    serde_json::to_string(&query).context("a query is not text")?
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Rules and dashboard are what Prometheus and Grafana take.
pub fn check() -> anyhow::Result<()> {
    rules::check(&folder().join("rules"))?;
    rules::parse(&queries::queries()?)?;
    schema::check(queries::DASHBOARD)
}

fn folder() -> PathBuf {
    cache::workspace().join("dashboards")
}

fn make() -> anyhow::Result<()> {
    let path = folder().join("ipvsdrain.json");
    let mut text =
        serde_json::to_string_pretty(&grafana::dashboard()).context("the dashboard is not text")?;
    text.push('\n');
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
