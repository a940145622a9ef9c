//! `bench-loss`: rows of the benchmark, each cell told as it is judged. `cargo xtask bench loss` names the rows.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::maintenance::{BENCH_PROGRAMS, Row, Told, run_rows};
use crate::scenario::{Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "bench-loss",
    about: "what each way to take a server out costs, side by side, beside a world left alone; option {\"rows\": […]}",
    programs: BENCH_PROGRAMS,
    observes: true,
    run,
};

fn run(stage: &mut Stage) -> Result<Value> {
    let asked = stage.options()["rows"].as_array().cloned();
    let is_asked = asked.is_some();
    let rows = asked
        .unwrap_or_else(usual)
        .iter()
        .map(Row::read)
        .collect::<Result<Vec<_>>>()?;
    let mut cells = Vec::new();
    run_rows(&rows, &mut |cell| {
        stage.progress(json!({"cell": cell}));
        cells.push(cell.clone());
    })?;
    // Where rows were asked for, whoever asked judges.
    if !is_asked {
        judge(&cells)?;
    }
    Ok(json!({"cells": cells.len()}))
}

/// Datagrams that never end, with the kernel's default.
fn usual() -> Vec<Value> {
    vec![json!({
        "traffic": "syslog",
        "forwarding": "direct-route",
        "expire_nodest_conn": 0,
        "strategies": ["delete", "ipvsdrain-migrate", "keepalived-inhibit", "ldirectord-maintenance"],
    })]
}

/// The world left alone lost nothing, nor did ipvsdrain, under traffic of which every other way loses half.
fn judge(cells: &[Told]) -> Result<()> {
    for cell in cells {
        ensure!(cell.void.is_none(), "{} is void: {:?}", cell.strategy, cell.void);
        let cost = cell.cost.as_ref().context("a cell that is not void has a cost")?;
        let loses = !matches!(cell.strategy, "control" | "ipvsdrain-migrate");
        ensure!(
            (cost.lost > 0) == loses && cost.removed == (cell.strategy != "control"),
            "not what {} costs: {cost:?}",
            cell.strategy
        );
    }
    Ok(())
}
