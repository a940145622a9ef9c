//! The queries of what `dashboards/` holds, for whoever runs them: a lab against a real Prometheus, a test against the
//! list of metrics.
//!
//! Owns finding them, in text that is handed to it or in the files as committed; runs none.

pub mod promql;

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const DASHBOARD: &str = include_str!("../../../dashboards/ipvsdrain.json");
/// The files of rules: name, text.
pub const RULES: [(&str, &str); 2] = [
    (
        "recording.yml",
        include_str!("../../../dashboards/rules/recording.yml"),
    ),
    ("alerts.yml", include_str!("../../../dashboards/rules/alerts.yml")),
];

/// Series that a drain in which nothing goes wrong need not have, and what they are there for.
const ONLY_WHILE: [(&str, &str); 9] = [
    ("ALERTS", "an alert is pending or fires"),
    ("ipvsdrain_drain_held", "a drain is held"),
    ("ipvsdrain_drain_eta_seconds", "the end of a drain can be told"),
    (
        "ipvsdrain_drain_deadline_remaining_seconds",
        "a drain has a deadline",
    ),
    ("ipvsdrain_health_flap_level", "a server failed lately"),
    ("ipvsdrain_health_hold_down_seconds", "a server failed lately"),
    ("ipvsdrain_health_", "somebody speaks of the health of a server"),
    (
        "ipvsdrain_observer_run_seconds_total",
        "the host has kernel.bpf_stats_enabled",
    ),
    (
        "ipvsdrain_observer_runs_total",
        "the host has kernel.bpf_stats_enabled",
    ),
];

/// A query whose answer is not empty where there is a daemon with a drain under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Query {
    /// The file, and of what: `ipvsdrain.json panel`, `alerts.yml alert`.
    #[serde(rename = "where")]
    pub place: String,
    pub title: String,
    pub expr: String,
    /// The answer may be empty, except while this is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_while: Option<&'static str>,
}

/// A rule as Prometheus has it: it records or it alerts.
#[derive(Debug, Clone, Deserialize)]
pub struct Rule {
    #[serde(default)]
    pub record: String,
    #[serde(default)]
    pub alert: String,
    pub expr: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// All queries of the committed files.
pub fn queries() -> anyhow::Result<Vec<Query>> {
    let mut found = of_dashboard("ipvsdrain.json", DASHBOARD)?;
    for (name, text) in RULES {
        found.extend(of_rules(name, text)?);
    }
    Ok(found)
}

/// The queries of panels, variables and annotations, with variables replaced by what matches everything.
pub fn of_dashboard(file: &str, json: &str) -> anyhow::Result<Vec<Query>> {
    let dashboard: Value = serde_json::from_str(json).with_context(|| format!("{file} is not JSON"))?;
    let mut found = Vec::new();
    let mut add = |kind: &str, title: &Value, expr: &str| {
        let expr = with_everything(expr, &dashboard);
        found.extend(runnable(&format!("{file} {kind}"), text(title), &expr));
    };
    for panel in panels(&dashboard) {
        for target in list(&panel["targets"]) {
            add("panel", &panel["title"], text(&target["expr"]));
        }
    }
    for variable in list(&dashboard["templating"]["list"]) {
        if let Some(query) = variable["query"]["query"].as_str() {
            add("variable", &variable["name"], inside(query));
        }
    }
    for annotation in list(&dashboard["annotations"]["list"]) {
        if let Some(expr) = annotation["expr"].as_str() {
            add("annotation", &annotation["name"], expr);
        }
    }
    Ok(found)
}

/// The queries of rules. An alert is silent while all is well, so the series that it reads stand for it; those of what
/// is recorded are among the queries of that rule.
pub fn of_rules(file: &str, yaml: &str) -> anyhow::Result<Vec<Query>> {
    let mut found = Vec::new();
    for rule in rules(file, yaml)? {
        if rule.alert.is_empty() {
            found.extend(runnable(&format!("{file} record"), &rule.record, &rule.expr));
            continue;
        }
        // Matchers are left out: those of an alert often name the trouble itself.
        let mut read: Vec<_> = promql::selectors(&rule.expr)
            .iter()
            .map(|series| series.metric)
            .collect();
        read.sort_unstable();
        read.dedup();
        read.retain(|metric| !metric.contains(':'));
        let place = format!("{file} alert");
        found.extend(
            read.into_iter()
                .flat_map(|metric| runnable(&place, &rule.alert, metric)),
        );
    }
    Ok(found)
}

/// All rules of a file, in order.
pub fn rules(file: &str, yaml: &str) -> anyhow::Result<Vec<Rule>> {
    #[derive(Deserialize)]
    struct File {
        groups: Vec<Group>,
    }
    #[derive(Deserialize)]
    struct Group {
        rules: Vec<Rule>,
    }
    let read: File = serde_yaml_ng::from_str(yaml).with_context(|| format!("{file} is no file of rules"))?;
    Ok(read.groups.into_iter().flat_map(|group| group.rules).collect())
}

/// All panels, rows among them and those inside of closed rows.
pub fn panels(dashboard: &Value) -> Vec<&Value> {
    let outer = list(&dashboard["panels"]);
    outer
        .iter()
        .flat_map(|panel| std::iter::once(panel).chain(list(&panel["panels"])))
        .collect()
}

/// The expression, or the series that it reads where it may rightly find nothing.
fn runnable(place: &str, title: &str, expr: &str) -> Vec<Query> {
    let query = |expr: &str| Query {
        place: place.to_owned(),
        title: title.to_owned(),
        expr: expr.to_owned(),
        only_while: only_while(expr),
    };
    if !promql::filters(expr) {
        return vec![query(expr)];
    }
    let read = promql::selectors(expr);
    let raw = read.iter().filter(|selector| !selector.metric.contains(':'));
    raw.map(|selector| query(selector.text)).collect()
}

fn only_while(expr: &str) -> Option<&'static str> {
    // `or` has another series to fall back to.
    if expr.contains(" or ") {
        return None;
    }
    let read = promql::selectors(expr);
    let known = ONLY_WHILE.iter().find(|(metric, _)| {
        let belongs = |name: &str| name == *metric || (metric.ends_with('_') && name.starts_with(metric));
        read.iter().any(|selector| belongs(selector.metric))
    });
    known.map(|(_, reason)| *reason)
}

/// The expression with variables replaced by what matches everything.
pub fn with_everything(expr: &str, dashboard: &Value) -> String {
    let mut expr = expr.to_owned();
    for built_in in ["__rate_interval", "__interval", "__range"] {
        expr = expr.replace(&format!("${built_in}"), "1m");
    }
    for variable in list(&dashboard["templating"]["list"]) {
        let name = text(&variable["name"]);
        let everything = variable["allValue"].as_str().unwrap_or(".*");
        for written in [
            format!("${{{name}:raw}}"),
            format!("${{{name}}}"),
            format!("${name}"),
        ] {
            expr = expr.replace(&written, everything);
        }
    }
    expr
}

/// What a query of a variable asks Prometheus: `query_result(EXPR)`, `label_values(SERIES, LABEL)`.
pub fn inside(query: &str) -> &str {
    let argument = |function: &str| query.strip_prefix(function)?.strip_suffix(')');
    if let Some(expr) = argument("query_result(") {
        return expr;
    }
    let series = argument("label_values(").and_then(|both| both.rsplit_once(','));
    series.map_or(query, |(series, _label)| series)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_what_matches_everything() {
        let json = r#"{
            "templating": {"list": [
                {"name": "job", "query": {"query": "label_values(a{x=~\"$job\"}, job)"}},
                {"name": "server", "allValue": "port=~\".*\"", "query": {"query": "query_result(sum(a))"}}
            ]},
            "panels": [{"title": "P", "panels": [
                {"title": "Q", "targets": [{"expr": "rate(b{job=~\"$job\",${server:raw}}[$__rate_interval])"}]}
            ]}],
            "annotations": {"list": [{"name": "A", "expr": "c{job=~\"$job\"} > 0"}]}
        }"#;
        let found = of_dashboard("d", json).unwrap();
        let lines: Vec<_> = found
            .iter()
            .map(|query| (query.title.as_str(), query.expr.as_str()))
            .collect();
        assert_eq!(
            lines,
            [
                ("Q", "rate(b{job=~\".*\",port=~\".*\"}[1m])"),
                ("job", "a{x=~\".*\"}"),
                ("server", "sum(a)"),
                ("A", "c{job=~\".*\"}"),
            ]
        );
    }

    #[test]
    fn an_alert_is_asked_for_by_what_it_reads() {
        let yaml = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: a{b=\"c\"} > 1 unless x:y:z\n  - record: x:y:z\n    expr: d / e\n";
        let found = of_rules("r", yaml).unwrap();
        let exprs: Vec<_> = found.iter().map(|query| query.expr.as_str()).collect();
        assert_eq!(exprs, ["a", "d / e"]);
        assert_eq!(
            (found[0].place.as_str(), found[1].place.as_str()),
            ("r alert", "r record")
        );
    }

    #[test]
    fn what_is_there_only_at_times_says_when() {
        let held = runnable("", "", "sum(ipvsdrain_drain_held)");
        assert_eq!(held[0].only_while, Some("a drain is held"));
        assert_eq!(
            runnable("", "", "sum(ipvsdrain_drain_held) or vector(0)")[0].only_while,
            None
        );
        assert_eq!(runnable("", "", "ipvsdrain_server_weight")[0].only_while, None);
    }

    #[test]
    fn no_variable_is_left_in_a_query_of_ours() {
        let found = queries().unwrap();
        assert!(!found.is_empty());
        let left: Vec<_> = found
            .iter()
            .filter(|query| query.expr.contains("[$") || query.expr.contains("{$"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
