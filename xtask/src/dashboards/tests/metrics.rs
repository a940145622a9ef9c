//! What is asked for exists: every metric and every label is on the page that lists them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::queries::{self, promql};

const PAGE: &str = include_str!("../../../../docs/metrics.md");
/// What Prometheus itself adds to each series.
const ADDED: [&str; 2] = ["job", "instance"];

type Labels = BTreeSet<String>;

/// The metrics of the page with their labels, those of Prometheus itself, and what is recorded of them.
fn known() -> BTreeMap<String, Labels> {
    let shorthand: BTreeMap<&str, Labels> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("- *")?.split_once("*: "))
        .map(|(word, labels)| (word, quoted(labels)))
        .collect();
    let mut found = BTreeMap::new();
    for line in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let mut labels = quoted(cells[4]);
        for (word, those) in &shorthand {
            if cells[4].contains(&format!("*{word}*")) {
                labels.extend(those.clone());
            }
        }
        let name = cells[1].trim_matches('`').to_owned();
        if cells[2] == "histogram" {
            found.insert(format!("{name}_sum"), labels.clone());
            found.insert(format!("{name}_count"), labels.clone());
            labels.insert("le".to_owned());
            found.insert(format!("{name}_bucket"), labels);
        } else {
            found.insert(name, labels);
        }
    }
    found.insert("up".to_owned(), Labels::new());
    found.insert(
        "ALERTS".to_owned(),
        ["alertname", "alertstate"].map(str::to_owned).into(),
    );
    for (file, text) in queries::RULES {
        for rule in queries::rules(file, text)
            .unwrap()
            .iter()
            .filter(|rule| !rule.record.is_empty())
        {
            let read = promql::selectors(&rule.expr);
            let labels = read
                .iter()
                .flat_map(|series| found.get(series.metric).cloned().unwrap_or_default())
                .collect();
            found.insert(rule.record.clone(), labels);
        }
    }
    found
}

/// The words in backticks.
fn quoted(text: &str) -> Labels {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every expression, with what its series are called.
fn asked() -> Vec<(String, String)> {
    let dashboard: serde_json::Value = serde_json::from_str(queries::DASHBOARD).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let everything = |value: &serde_json::Value| queries::with_everything(&text(value), &dashboard);
    let mut found = Vec::new();
    for panel in queries::panels(&dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            found.push((everything(&target["expr"]), text(&target["legendFormat"])));
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        let shown = [&annotation["titleFormat"], &annotation["textFormat"]]
            .map(text)
            .concat();
        found.push((everything(&annotation["expr"]), shown));
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        found.push((
            queries::inside(&everything(&variable["query"]["query"])).to_owned(),
            String::new(),
        ));
    }
    for (file, text) in queries::RULES {
        for rule in queries::rules(file, text).unwrap() {
            let shown: Vec<_> = rule
                .annotations
                .values()
                .map(|text| text.replace("$labels.", ""))
                .collect();
            found.push((rule.expr, shown.concat()));
        }
    }
    found
}

/// The labels in `{{label}}`, and no other template.
fn legend(text: &str) -> Vec<&str> {
    let inner = text
        .split("{{")
        .skip(1)
        .filter_map(|part| part.split_once("}}"))
        .map(|(inner, _)| inner.trim());
    inner
        .filter(|word| {
            word.chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '_')
        })
        .collect()
}

#[test]
fn every_metric_and_label_that_is_named_is_documented() {
    let known = known();
    let mut wrong = BTreeSet::new();
    'each: for (expr, shown) in asked() {
        let mut there: Labels = ADDED.map(str::to_owned).into();
        for series in promql::selectors(&expr) {
            let Some(labels) = known.get(series.metric) else {
                wrong.insert(format!("no metric {}", series.metric));
                continue 'each;
            };
            there.extend(labels.iter().cloned());
            let named = series.labels.iter();
            for label in named.filter(|label| !labels.contains(**label) && !ADDED.contains(label)) {
                wrong.insert(format!("{} has no label {label}", series.metric));
            }
        }
        let used = promql::grouping(&expr).into_iter().chain(legend(&shown));
        for label in used.filter(|label| !["end", "else"].contains(label) && !there.contains(*label)) {
            wrong.insert(format!("none of what `{expr}` reads has a label {label}"));
        }
    }
    assert!(wrong.is_empty(), "docs/metrics.md does not list this: {wrong:#?}");
}

#[test]
fn what_is_recorded_is_used() {
    let asked = asked();
    for (file, text) in queries::RULES {
        for rule in queries::rules(file, text)
            .unwrap()
            .iter()
            .filter(|rule| !rule.record.is_empty())
        {
            let uses = |expr: &str| {
                promql::selectors(expr)
                    .iter()
                    .any(|series| series.metric == rule.record)
            };
            assert!(
                asked.iter().any(|(expr, _)| uses(expr)),
                "nobody reads {}",
                rule.record
            );
        }
    }
}
