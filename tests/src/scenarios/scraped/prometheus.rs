//! Prometheus and node_exporter on the director, as Debian has them, and what they are asked.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::http::{escaped, get};
use crate::clock;
use crate::process::Process;
use crate::world::World;

/// The packages.
pub(super) const PROGRAMS: [&str; 2] = ["prometheus", "prometheus-node-exporter/prometheus-node-exporter"];

const AT: &str = "127.0.0.1:9090";
const NODE_AT: &str = "127.0.0.1:9100";
/// Programs of this size start slowly under emulation.
const START_LIMIT: Duration = Duration::from_mins(2);

/// Both at work; dropping it ends them.
#[derive(Debug)]
pub(super) struct Prometheus<'world> {
    world: &'world World,
    folder: TempDir,
    processes: Vec<Process>,
}

/// What is to be scraped and evaluated each second.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    /// Lines of the daemon's own job, besides its target.
    pub(super) job: &'a str,
    /// Name and text of files of rules.
    pub(super) rules: &'a [(&'a str, &'a str)],
}

impl<'world> Prometheus<'world> {
    /// Starts both and waits until each job was scraped.
    pub(super) fn start(world: &'world World, daemon_at: &str, wanted: &Wanted<'_>) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder for Prometheus")?;
        let path = |name: &str| folder.path().join(name);
        fs::write(
            path("prometheus.yml"),
            configuration(folder.path(), daemon_at, wanted),
        )?;
        for (name, text) in wanted.rules {
            fs::write(path(name), text)?;
        }
        let mut node = Command::new("prometheus-node-exporter");
        node.args([
            "--collector.disable-defaults",
            "--collector.ipvs",
            "--web.disable-exporter-metrics",
        ])
        .arg(format!("--web.listen-address={NODE_AT}"));
        let mut prometheus = Command::new("prometheus");
        prometheus
            .arg(format!("--config.file={}", path("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", path("data").display()))
            .arg(format!("--web.listen-address={AT}"))
            // The guest's disk is its memory.
            .arg("--storage.tsdb.wal-segment-size=10MB")
            .arg("--log.level=warn")
            .env("GOMAXPROCS", "1");
        let mut processes = Vec::new();
        for (name, mut command) in [("node-exporter.log", node), ("prometheus.log", prometheus)] {
            let log = File::create(path(name))?;
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            processes.push(world.director().machine().start(&mut command)?);
        }
        let mut running = Self {
            world,
            folder,
            processes,
        };
        running.await_scrapes()?;
        Ok(running)
    }

    fn await_scrapes(&mut self) -> Result<()> {
        let deadline = clock::now() + START_LIMIT;
        loop {
            let up = self.instant("up == 1").map(|series| series.len());
            if matches!(up, Ok(2)) {
                return Ok(());
            }
            for process in &mut self.processes {
                if let Some(status) = process.ended()? {
                    bail!("a program ended at its start with {status}: {}", self.log());
                }
            }
            ensure!(
                clock::now() < deadline,
                "not all is scraped ({up:?}): {} {}",
                self.ask("targets?state=active").unwrap_or_default(),
                self.log()
            );
            clock::pass(Duration::from_secs(1));
        }
    }

    /// Its API, below `/api/v1/`; the `data` of the answer.
    pub(super) fn ask(&self, path: &str) -> Result<Value> {
        let machine = self.world.director().machine();
        let answer = machine.within(|| get(AT, &format!("/api/v1/{path}"), ""))?;
        let mut answer: Value = serde_json::from_slice(&answer.body).context("the API gives JSON")?;
        Ok(answer["data"].take())
    }

    /// The series that a query gives now.
    pub(super) fn instant(&self, query: &str) -> Result<Vec<Value>> {
        let mut data = self.ask(&format!("query?query={}", escaped(query)))?;
        list(data["result"].take(), query)
    }

    /// The series that it gives over these seconds since 1970.
    pub(super) fn range(&self, query: &str, (from, to): (f64, f64), step: u32) -> Result<Vec<Value>> {
        let query_range = format!(
            "query_range?query={}&start={from}&end={to}&step={step}",
            escaped(query)
        );
        let mut data = self.ask(&query_range).with_context(|| query.to_owned())?;
        list(data["result"].take(), query)
    }

    /// What both printed.
    pub(super) fn log(&self) -> String {
        ["node-exporter.log", "prometheus.log"]
            .map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default())
            .concat()
    }
}

fn list(value: Value, query: &str) -> Result<Vec<Value>> {
    match value {
        Value::Array(series) => Ok(series),
        other => bail!("`{query}` gives no series: {other}"),
    }
}

fn configuration(folder: &Path, daemon_at: &str, wanted: &Wanted<'_>) -> String {
    let mut text = "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n".to_owned();
    text += "rule_files:\n";
    for (name, _) in wanted.rules {
        let _ = writeln!(text, "- {}", folder.join(name).display());
    }
    let _ = write!(
        text,
        "scrape_configs:\n- job_name: ipvsdrain\n  static_configs: [{{targets: [\"{daemon_at}\"]}}]\n{}\
         - job_name: node\n  static_configs: [{{targets: [\"{NODE_AT}\"]}}]\n",
        wanted.job
    );
    text
}
