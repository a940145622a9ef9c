//! `observer-edges`: packets that reach their server in an unusual way are counted once each, and what is no packet of a
//! flow does not make it live.
//!
//! Owns the order and the verdict; each file is one kind of edge, with a bench of its own.

mod bench;
mod errors;
mod fragments;
mod local;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::scenario::{Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "observer-edges",
    about: "local servers, fragmented datagrams and ICMP errors are counted as what they are",
    programs: &[],
    observes: true,
    run,
};

/// Each case is told as it ends: `{"name", "ok", "seen"}`.
fn run(stage: &mut Stage) -> Result<Value> {
    let mut cases = Vec::new();
    let mut wrong = Vec::new();
    for (name, case) in [local::cases(), fragments::cases(), errors::cases()].concat() {
        let told = match case() {
            Ok(seen) => json!({"name": name, "ok": true, "seen": seen}),
            Err(error) => {
                let told = json!({"name": name, "ok": false, "error": format!("{error:#}")});
                wrong.push(told.to_string());
                told
            }
        };
        stage.progress(told.clone());
        cases.push(told);
    }
    ensure!(
        wrong.is_empty(),
        "{} of {} cases are wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    Ok(json!({"cases": cases}))
}

/// A name and what it does.
type Case = (&'static str, fn() -> Result<Value>);
