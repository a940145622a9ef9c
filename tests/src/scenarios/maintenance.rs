//! `maintenance`: one maintenance of `server1` by the strategy named in the options, for the demo.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::maintenance::{PROGRAMS, Strategy, maintain};
use crate::scenario::{Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "maintenance",
    about: "server1 is taken out four ways under the same traffic; option {\"strategies\": [NAME, …]} takes some of them",
    programs: PROGRAMS,
    observes: true,
    run,
};

fn run(stage: &mut Stage) -> Result<Value> {
    let mut outcomes = Vec::new();
    for strategy in chosen(stage.options())? {
        let outcome = maintain(strategy, &mut |text| {
            stage.progress(json!({"strategy": strategy.name(), "step": text}));
        })
        .with_context(|| format!("strategy {}", strategy.name()))?;
        stage.progress(json!({"strategy": strategy.name(), "outcome": outcome}));
        outcomes.push(outcome);
    }
    Ok(json!({"strategies": outcomes}))
}

/// All of them unless the options name some.
fn chosen(options: &Value) -> Result<Vec<Strategy>> {
    match options.get("strategies").and_then(Value::as_array) {
        None => Ok(Strategy::ALL.to_vec()),
        Some(names) => names
            .iter()
            .map(|name| Strategy::named(name.as_str().context("a strategy is named by text")?))
            .collect(),
    }
}
