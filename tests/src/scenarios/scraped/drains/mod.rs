//! `metrics-scraped`: a real Prometheus scrapes the daemon each second, over TLS and with a password, while real servers are
//! drained. Then every query of the dashboard and of the rules is asked for that time, and none finds nothing.

mod course;
mod secured;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use self::course::Course;
use self::secured::Secured;
use super::METRICS;
use super::prometheus::{Prometheus, Wanted};
use crate::clock;
use crate::daemon::Daemon;
use crate::dashboards;
use crate::scenario::{Findings, Scenario, Stage};
use crate::world::{Forwarding, World};

pub(in crate::scenarios) const SCENARIO: Scenario = Scenario {
    name: "metrics-scraped",
    about: "every query of the dashboard and the rules finds something in a real Prometheus that watched real drains",
    programs: &[
        "prometheus",
        "prometheus-node-exporter/prometheus-node-exporter",
        "curl/curl",
    ],
    observes: true,
    run,
};

/// What is brought about, and no other alert may fire.
const PROVOKED: [&str; 2] = ["IpvsdrainConfigReloadFailed", "IpvsdrainDrainOverdue"];
/// Both wait for a minute.
const ALERT_LIMIT: Duration = Duration::from_mins(3);
/// In seconds: a query is asked for each so many of the course.
const STEP: u32 = 5;
const BPF_STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

fn run(stage: &mut Stage) -> Result<Value> {
    // Of the whole host: what its programs cost is counted for that long.
    std::fs::write(BPF_STATS, "1").context(BPF_STATS)?;
    let judged = judged(stage);
    std::fs::write(BPF_STATS, "0").context(BPF_STATS)?;
    judged
}

fn judged(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 3)?;
    let secured = Secured::new()?;
    let mut course = Course::prepare(&world)?;
    let daemon = Daemon::start(&world, &["--config", &secured.config()])?;
    let prometheus = Prometheus::start(
        &world,
        METRICS,
        &Wanted {
            job: &secured.job(),
            rules: &dashboards::RULES,
        },
    )?;
    stage.progress(json!({"step": "scraped"}));
    let from = unix_seconds()?;

    course.run(stage, &daemon, &prometheus, &secured)?;
    await_alerts(&prometheus)?;
    let until = unix_seconds()?;
    stage.progress(json!({"step": "asked", "seconds": until - from}));

    scraped_all_the_time(&prometheus, until - from)?;
    let rules = evaluated(&prometheus)?;
    marked(&prometheus, (from, until))?;
    let (lines, silent) = asked(&prometheus, (from, until))?;
    let value = json!({"queries": lines, "rules": rules, "lost": course.finish()?});
    if silent.is_empty() {
        return Ok(value);
    }
    let summary = format!("these find nothing:\n{}", silent.join("\n"));
    Err(Findings { value, summary }.into())
}

fn unix_seconds() -> Result<f64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Ok(since.context("before 1970")?.as_secs_f64())
}

fn firing(prometheus: &Prometheus<'_>) -> Result<BTreeSet<String>> {
    let alerts = prometheus.instant("ALERTS{alertstate=\"firing\"}")?;
    let name = |series: &Value| {
        series["metric"]["alertname"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    Ok(alerts.iter().map(name).collect())
}

/// Waits for those that were provoked; meanwhile no other one fires.
fn await_alerts(prometheus: &Prometheus<'_>) -> Result<()> {
    let expected = PROVOKED.map(str::to_owned).into();
    let deadline = clock::now() + ALERT_LIMIT;
    loop {
        let firing = firing(prometheus)?;
        ensure!(
            firing.is_subset(&expected),
            "alerts fire for nothing: {firing:?}: {}",
            prometheus.ask("alerts")?
        );
        if firing == expected {
            return Ok(());
        }
        ensure!(
            clock::now() < deadline,
            "{firing:?} fire, and {expected:?} were to: {}",
            prometheus.ask("alerts")?
        );
        clock::pass(Duration::from_secs(5));
    }
}

/// Not one scrape failed, a renewed certificate and a refused reload notwithstanding.
fn scraped_all_the_time(prometheus: &Prometheus<'_>, seconds: f64) -> Result<()> {
    let worst = prometheus.instant(&format!("min_over_time(up[{seconds:.0}s]) == 1"))?;
    let samples = prometheus.instant("scrape_samples_scraped{job=\"ipvsdrain\"} > 0")?;
    ensure!(
        worst.len() == 2 && samples.len() == 1,
        "scrapes failed: {worst:?}, {samples:?}, {}",
        prometheus.ask("targets?state=active")?
    );
    Ok(())
}

/// Every rule, without an error; their names.
fn evaluated(prometheus: &Prometheus<'_>) -> Result<Vec<String>> {
    let groups = prometheus.ask("rules")?;
    let groups = groups["groups"].as_array().context("no groups of rules")?;
    let rules: Vec<&Value> = groups
        .iter()
        .filter_map(|group| group["rules"].as_array())
        .flatten()
        .collect();
    let ill: Vec<_> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
    ensure!(ill.is_empty() && !rules.is_empty(), "these rules fail: {ill:?}");
    Ok(rules
        .iter()
        .filter_map(|rule| Some(rule["name"].as_str()?.to_owned()))
        .collect())
}

/// The filters of the annotations let through what happened, and nothing else.
fn marked(prometheus: &Prometheus<'_>, span: (f64, f64)) -> Result<()> {
    for (query, is_there) in [
        ("ipvsdrain_drain_began_timestamp_seconds", true),
        ("increase(ipvsdrain_drains_finished_total[1m]) > 0", true),
        ("increase(ipvsdrain_packets_lost_total[1m]) > 0", false),
    ] {
        let series = prometheus.range(query, span, STEP)?;
        ensure!(
            series.is_empty() != is_there,
            "`{query}` finds {} series",
            series.len()
        );
    }
    Ok(())
}

/// A line for each query, and those that find nothing.
fn asked(prometheus: &Prometheus<'_>, span: (f64, f64)) -> Result<(Vec<String>, Vec<String>)> {
    let (mut lines, mut silent) = (Vec::new(), Vec::new());
    for query in dashboards::queries()? {
        let series = prometheus.range(&query.expr, span, STEP)?;
        let series = series.iter().filter(|series| is_told(series)).count();
        let line = format!("{series:4} {}: {}: {}", query.place, query.title, query.expr);
        if series == 0 {
            silent.push(line.clone());
        }
        lines.push(line);
    }
    Ok((lines, silent))
}

/// Whether it has a number at some time: a quotient of nothing and nothing is none.
fn is_told(series: &Value) -> bool {
    let samples = series["values"].as_array().into_iter().flatten();
    samples.into_iter().any(|sample| sample[1] != "NaN")
}
