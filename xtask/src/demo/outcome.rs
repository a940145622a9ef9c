//! What the four maintenances cost, and whether that keeps our promises. Pure.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All strategies on one kernel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Its release, as in `uname -r`.
    pub kernel: String,
    pub strategies: Vec<Outcome>,
}

/// One maintenance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub name: String,
    /// DNS queries, datagrams and TCP records.
    pub sent: u64,
    pub lost: u64,
    /// From depool to removal; null if it was given up.
    pub seconds_to_removal: Option<f64>,
    pub removed: bool,
}

impl Comparison {
    /// Reads the value that the scenario returned.
    pub fn read(kernel: String, value: &Value) -> Result<Self> {
        let strategies = serde_json::from_value(value["strategies"].clone())
            .with_context(|| format!("the scenario's value is not what it should be: {value}"))?;
        Ok(Self { kernel, strategies })
    }

    /// What speaks against us; empty if all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        match self.named(super::OURS) {
            None => faults.push("ipvsdrain did not run".to_owned()),
            Some(ours) => {
                if ours.lost > 0 {
                    faults.push(format!("ipvsdrain lost {} of {} requests", ours.lost, ours.sent));
                }
                if !ours.removed {
                    faults.push("ipvsdrain did not remove the server".to_owned());
                }
            }
        }
        match self.named("delete") {
            Some(delete) if delete.lost > 0 => {}
            Some(_) => faults.push("delete lost nothing, so this run proves nothing".to_owned()),
            None => faults.push("delete did not run, so this run proves nothing".to_owned()),
        }
        faults
    }

    fn named(&self, name: &str) -> Option<&Outcome> {
        self.strategies.iter().find(|outcome| outcome.name == name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn comparison(delete_lost: u64, our_lost: u64, our_removed: bool) -> Comparison {
        let value = json!({"strategies": [
            {"name": "delete", "sent": 100, "lost": delete_lost, "seconds_to_removal": 0.01, "removed": true, "parts": {}},
            {"name": "ipvsdrain-migrate", "sent": 100, "lost": our_lost, "seconds_to_removal": null, "removed": our_removed},
        ]});
        Comparison::read("6.1.0".to_owned(), &value).unwrap()
    }

    #[test]
    fn a_loss_of_ours_and_a_proof_of_nothing_are_faults() {
        assert_eq!(comparison(7, 0, true).faults(), [] as [String; 0]);
        assert!(comparison(7, 1, true).faults()[0].contains("lost 1 of 100"));
        assert!(comparison(7, 0, false).faults()[0].contains("did not remove"));
        assert!(comparison(0, 0, true).faults()[0].contains("proves nothing"));
        let none = Comparison {
            kernel: String::new(),
            strategies: Vec::new(),
        };
        assert_eq!(none.faults().len(), 2);
    }

    #[test]
    fn the_json_line_has_the_promised_shape() {
        let line = serde_json::to_value(comparison(7, 0, true)).unwrap();
        assert_eq!(line["kernel"], "6.1.0");
        assert_eq!(
            line["strategies"][0],
            json!({"name": "delete", "sent": 100, "lost": 7, "seconds_to_removal": 0.01, "removed": true})
        );
    }
}
