//! `observer-matrix`: for every kind of service, what the observer counts is what the real server received.
//!
//! {IPv4, IPv6} x {UDP, TCP} x {direct route, masquerade, IPIP, GUE, GRE} x {plain, fwmark, persistent, one-packet}:
//! each combination is a [`Cell`]. Under IPIP the
//! servers may also be of the other family. Cells of one forwarding method share a network, each with a service of its
//! own. Where the kernel bears no probe, every cell is run on both lower rungs of the ladder instead.
//! Owns the order and the verdict; [`bench`] does one cell, [`lower`] one on a lower rung, [`counts`] compares.

mod bench;
mod cell;
mod counts;
mod lower;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ipvsdrain::observe::{Preference, Rung, Sources};
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

/// What this kernel bears: the probe, or everything below it.
fn rungs() -> Vec<Rung> {
    if Path::new("/sys/kernel/btf/ip_vs").exists() {
        vec![Rung::Probes]
    } else {
        vec![Rung::Arrivals, Rung::Counters]
    }
}

/// Each cell is told as it ends: `{"name", "ok", "expected", "seen"}`. The option `only` picks those whose name
/// contains it.
fn run(stage: &mut Stage) -> Result<Value> {
    let only = stage.options()["only"].as_str().unwrap_or_default().to_owned();
    let mut number = 0;
    let mut ran = 0;
    let mut wrong = Vec::new();
    for (rung, forwarding) in rungs()
        .into_iter()
        .flat_map(|rung| FORWARDING.map(|forwarding| (rung, forwarding)))
    {
        let cells: Vec<Cell> = cell::all(forwarding)
            .filter(|cell| cell.to_string().contains(&only))
            .filter(|_| {
                number += 1;
                stage.plays(number)
            })
            .collect();
        if cells.is_empty() {
            continue;
        }
        let sources = Sources {
            arrivals: if rung == Rung::Counters {
                Preference::Off
            } else {
                Preference::Auto
            },
            ..Sources::default()
        };
        let mut bench =
            Bench::set_up(forwarding, &sources).with_context(|| format!("under {forwarding:?}"))?;
        for cell in cells {
            let ran_cell = match rung {
                Rung::Probes => bench.run(cell),
                lower => bench.run_lower(cell, lower),
            };
            let told = match ran_cell {
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
