//! `maintenance`: one maintenance of `server1` by the strategy named in the options, for the demo.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::maintenance::{Outcome, PROGRAMS, Strategy, maintain};
use crate::scenario::{Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "maintenance",
    about: "the same maintenance four ways: ipvsdrain loses nothing, delete does; option {\"strategies\": [NAME, …]}",
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
    // Where strategies were chosen, whoever chose them judges.
    if stage.options()["strategies"].is_null() {
        judge(&outcomes)?;
    }
    Ok(json!({"strategies": outcomes}))
}

/// `ipvsdrain` lost nothing, under traffic for which `delete` did.
fn judge(outcomes: &[Outcome]) -> Result<()> {
    let of = |strategy: Strategy| {
        let found = outcomes.iter().find(|outcome| outcome.name == strategy.name());
        found.with_context(|| format!("strategy {} was not run", strategy.name()))
    };
    let ours = of(Strategy::IpvsdrainMigrate)?;
    ensure!(
        ours.removed && ours.lost == 0,
        "ipvsdrain removed: {}, lost: {}",
        ours.removed,
        ours.lost
    );
    ensure!(
        of(Strategy::Delete)?.lost > 0,
        "delete lost nothing: this traffic proves nothing"
    );
    Ok(())
}

/// Those of the demo unless the options name some.
fn chosen(options: &Value) -> Result<Vec<Strategy>> {
    match options.get("strategies").and_then(Value::as_array) {
        None => Ok(Strategy::DEMO.to_vec()),
        Some(names) => names
            .iter()
            .map(|name| Strategy::named(name.as_str().context("a strategy is named by text")?))
            .collect(),
    }
}
