//! Each alert tells what to do, and has a test of both its sides.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::super::queries::{self, Rule};
use super::super::{folder, rules};
use crate::cache;

const RUNBOOK: &str = include_str!("../../../../docs/alerts.md");
const SEVERITIES: [&str; 3] = ["info", "warning", "critical"];

#[derive(Deserialize)]
struct Tests {
    group_eval_order: Vec<String>,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    alert_rule_test: Vec<Value>,
    #[serde(default)]
    promql_expr_test: Vec<Value>,
}

fn all_rules() -> Vec<Rule> {
    queries::RULES
        .iter()
        .flat_map(|(file, text)| queries::rules(file, text).unwrap())
        .collect()
}

fn tests() -> Vec<Tests> {
    let files = rules::files(&folder().join("rules/tests")).unwrap();
    let read = |path: &PathBuf| serde_yaml_ng::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    files.iter().map(read).collect()
}

fn cases() -> Vec<Case> {
    tests().into_iter().flat_map(|file| file.tests).collect()
}

/// The headings of the runbook's sections, as the anchors that a browser goes to.
fn anchors() -> BTreeSet<String> {
    RUNBOOK
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(str::to_lowercase)
        .collect()
}

#[test]
fn each_alert_says_how_bad_it_is_and_has_its_section_in_the_runbook() {
    let manifest = fs::read_to_string(cache::workspace().join("Cargo.toml")).unwrap();
    let repository = manifest
        .lines()
        .find_map(|line| line.strip_prefix("repository = "))
        .unwrap()
        .trim_matches('"');
    let mut named = BTreeSet::new();
    for rule in all_rules().iter().filter(|rule| !rule.alert.is_empty()) {
        let name = &rule.alert;
        assert!(
            name.starts_with("Ipvsdrain") && named.insert(name.to_lowercase()),
            "{name}"
        );
        assert!(SEVERITIES.contains(&rule.labels["severity"].as_str()), "{name}");
        assert!(!rule.annotations["summary"].is_empty(), "{name}");
        assert!(
            rule.annotations["description"].contains("{{"),
            "{name} is told without a value"
        );
        let url = format!("{repository}/blob/main/docs/alerts.md#{}", name.to_lowercase());
        assert_eq!(rule.annotations["runbook_url"], url);
    }
    let sections: BTreeSet<_> = anchors()
        .into_iter()
        .filter(|anchor| anchor.starts_with("ipvsdrain"))
        .collect();
    assert_eq!(sections, named, "the runbook has one section an alert");
}

#[test]
fn each_section_of_the_runbook_answers_the_same_questions() {
    let sections = RUNBOOK
        .split("\n## ")
        .skip(1)
        .filter(|section| section.starts_with("Ipvsdrain"));
    for section in sections {
        let name = section.lines().next().unwrap();
        for question in [
            "**What it means.**",
            "**What is lost.**",
            "**How to look.**",
            "**What to do.**",
            "**When to silence.**",
        ] {
            assert!(section.contains(question), "{name}: {question}");
        }
    }
}

/// A case is named `ALERT fires…` or `ALERT stays silent…`, and does what its name says.
#[test]
fn each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let cases = cases();
    let expects = |test: &Value| !test["exp_alerts"].as_array().unwrap().is_empty();
    for rule in all_rules().iter().filter(|rule| !rule.alert.is_empty()) {
        let named = |word: &str| {
            let name = format!("{} {word}", rule.alert);
            let found = cases.iter().filter(move |case| case.name.starts_with(&name));
            found.flat_map(|case| &case.alert_rule_test).collect::<Vec<_>>()
        };
        let (fires, silent) = (named("fires"), named("stays silent"));
        assert!(
            fires.iter().any(|test| expects(test)),
            "no case `{} fires`",
            rule.alert
        );
        assert!(!silent.is_empty(), "no case `{} stays silent`", rule.alert);
        assert!(
            !silent.iter().any(|test| expects(test)),
            "{} is not silent",
            rule.alert
        );
        for test in fires.iter().chain(&silent) {
            assert_eq!(
                test["alertname"],
                rule.alert.as_str(),
                "a case is of another alert than its name says"
            );
        }
    }
}

#[test]
fn what_is_recorded_has_a_case_that_says_its_value() {
    let cases = cases();
    for rule in all_rules().iter().filter(|rule| !rule.record.is_empty()) {
        let tests = cases.iter().flat_map(|case| &case.promql_expr_test);
        let mut of_it = tests.filter(|test| test["expr"] == rule.record.as_str());
        assert!(
            of_it.any(|test| test["exp_samples"][0]["value"].is_number()),
            "no case of {}",
            rule.record
        );
    }
}

/// promtool evaluates groups that are not named in any order, and then what is recorded may come a minute late.
#[test]
fn each_file_of_tests_has_all_groups_in_their_order() {
    let names = queries::RULES
        .iter()
        .flat_map(|(_, text)| text.lines().filter_map(|line| line.strip_prefix("  - name: ")));
    let names: Vec<_> = names.collect();
    for file in tests() {
        assert_eq!(file.group_eval_order, names);
    }
}
