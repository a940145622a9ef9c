//! `situations`: a table of decisions under real traffic. Each row is one situation from a fresh network, a fresh table
//! and a fresh daemon: what was expected beside what was seen, and what the ledger says of it.
//!
//! Owns the order of the rows and the verdict. A [`setting`] is laid for each row by one constructor, and [`judged`] by
//! one check; the other modules hold the rows, by subject. A row that fails stops no other.

mod checkers;
mod deadline;
mod facts;
mod floor;
mod hands;
mod judged;
mod kernel_settings;
mod killed;
mod masquerade;
mod persistence;
mod pinned;
mod row;
mod schedulers;
mod setting;
mod tcp_idle;
mod traffic;

use anyhow::{Context, Result};
use serde_json::Value;

use self::row::Row;
use crate::scenario::{Findings, Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "situations",
    about: "policies, schedulers, other hands, deadlines, crashes: each drain ends as it should and loses nothing",
    programs: &[
        "nftables/nft",
        "strace/strace",
        "keepalived/keepalived",
        "ldirectord/ldirectord",
    ],
    observes: true,
    run,
};

fn all() -> Vec<Row> {
    [
        pinned::rows(),
        schedulers::rows(),
        persistence::rows(),
        masquerade::rows(),
        hands::rows(),
        floor::rows(),
        tcp_idle::rows(),
        deadline::rows(),
        killed::rows(),
        kernel_settings::rows(),
        checkers::rows(),
    ]
    .concat()
}

/// Each row is told as it ends; all of them are the scenario's value, also where some failed. The option `rows` names
/// those to play, in their order and as often as they are named.
fn run(stage: &mut Stage) -> Result<Value> {
    let rows = chosen(stage.options())?;
    let mut told = Vec::new();
    let mine = rows.iter().enumerate().filter(|(number, _)| stage.plays(*number));
    let mine: Vec<&Row> = mine.map(|(_, row)| row).collect();
    for row in mine {
        let value = row.run();
        stage.progress(value.clone());
        told.push(value);
    }
    let wrong: Vec<&str> = told
        .iter()
        .filter(|row| row["ok"] != true)
        .filter_map(|row| row["row"].as_str())
        .collect();
    let summary = format!(
        "{} of {} rows are wrong: {}",
        wrong.len(),
        told.len(),
        wrong.join(", ")
    );
    if wrong.is_empty() {
        return Ok(Value::Array(told));
    }
    Err(Findings {
        value: Value::Array(told),
        summary,
    }
    .into())
}

fn chosen(options: &Value) -> Result<Vec<Row>> {
    let rows = all();
    let Some(names) = options.get("rows") else {
        return Ok(rows);
    };
    let names: Vec<String> =
        serde_json::from_value(names.clone()).context("the option `rows` is a list of names")?;
    let find = |name: &String| {
        let known = || rows.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
        let found = rows.iter().find(|row| row.name == name).cloned();
        found.with_context(|| format!("there is no row `{name}`; there are {}", known()))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_rows_are_unique_and_picked_by() {
        let names: BTreeSet<&str> = all().iter().map(|row| row.name).collect();
        assert_eq!(names.len(), all().len());
        let picked = chosen(&json!({"rows": ["tcp-idle", "pinned-wait", "tcp-idle"]})).unwrap();
        assert_eq!(
            picked.iter().map(|row| row.name).collect::<Vec<_>>(),
            ["tcp-idle", "pinned-wait", "tcp-idle"]
        );
        let said = chosen(&json!({"rows": ["no-such"]})).unwrap_err().to_string();
        assert!(said.contains("no-such") && said.contains("pinned-wait"), "{said}");
        assert_eq!(chosen(&Value::Null).unwrap().len(), names.len());
    }
}
