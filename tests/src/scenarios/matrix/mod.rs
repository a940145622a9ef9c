//! `observer-matrix`: for every kind of service, what the observer counts is what the real server received.
//!
//! {IPv4, IPv6} x {UDP, TCP} x {direct route, masquerade, IPIP, GUE, GRE} x {plain, fwmark, persistent, one-packet}:
//! each combination is a [`Cell`]. Cells of one forwarding method share a network, each with a service of its own.
//! Owns the order and the verdict; [`bench`] does one cell, [`counts`] compares.

mod bench;
mod cell;
mod counts;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use self::bench::Bench;
use self::cell::{Cell, FORWARDING};
use crate::scenario::{Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "observer-matrix",
    about: "the observer's live flows and packets equal the ledger's, for every kind of service and forwarding",
    programs: &["nftables/nft"],
    observes: true,
    run,
};

/// Each cell is told as it ends: `{"name", "ok", "expected", "seen"}`. The option `only` picks those whose name
/// contains it.
fn run(stage: &mut Stage) -> Result<Value> {
    let only = stage.options()["only"].as_str().unwrap_or_default().to_owned();
    let mut ran = 0;
    let mut wrong = Vec::new();
    for forwarding in FORWARDING {
        let cells: Vec<Cell> = cell::all(forwarding)
            .filter(|cell| cell.to_string().contains(&only))
            .collect();
        if cells.is_empty() {
            continue;
        }
        let mut bench = Bench::set_up(forwarding).with_context(|| format!("under {forwarding:?}"))?;
        for cell in cells {
            let told = match bench.run(cell) {
                Ok(told) => told,
                Err(error) => json!({"name": cell.to_string(), "ok": false, "error": format!("{error:#}")}),
            };
            ran += 1;
            if told["ok"] != true {
                wrong.push(told.to_string());
            }
            stage.progress(told);
        }
    }
    ensure!(ran > 0, "no cell's name contains `{only}`");
    ensure!(
        wrong.is_empty(),
        "{} of {ran} cells are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(json!({"cells": ran}))
}
