//! Rows of the benchmark side by side in one guest: every strategy of a row under the same setting, each in a world of
//! its own, and beside them a world in which nothing is done.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::Serialize;
use serde_json::Value;

use super::cell::{self, Cost, Setting, Together};
use super::{Kind, Strategy};
use crate::world::Forwarding;

/// One setting, and what is compared under it.
#[derive(Debug, Clone)]
pub struct Row {
    pub setting: Setting,
    pub strategies: Vec<Strategy>,
}

/// One cell as it is told.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    pub traffic: &'static str,
    pub forwarding: &'static str,
    pub expire_nodest_conn: u8,
    pub strategy: &'static str,
    #[serde(flatten)]
    pub cost: Option<Cost>,
    /// Why there is no cost, or why it means nothing.
    pub void: Option<String>,
}

impl Row {
    /// `{"traffic": …, "forwarding": …, "expire_nodest_conn": 0 or 1, "strategies": […]}`
    pub fn read(value: &Value) -> Result<Self> {
        let word = |key: &str| {
            value[key]
                .as_str()
                .with_context(|| format!("a row has `{key}`: {value}"))
        };
        let forwarding = word("forwarding")?;
        let strategies = value["strategies"]
            .as_array()
            .with_context(|| format!("a row has `strategies`: {value}"))?;
        let named = |name: &Value| Strategy::named(name.as_str().unwrap_or_default());
        let mut strategies = strategies.iter().map(named).collect::<Result<Vec<_>>>()?;
        if !strategies.contains(&Strategy::Control) {
            strategies.insert(0, Strategy::Control);
        }
        Ok(Self {
            setting: Setting {
                kind: Kind::named(word("traffic")?)?,
                forwarding: FORWARDINGS
                    .into_iter()
                    .find(|(name, _)| *name == forwarding)
                    .map(|(_, forwarding)| forwarding)
                    .with_context(|| format!("no forwarding is called `{forwarding}`"))?,
                expires: match value["expire_nodest_conn"].as_u64() {
                    Some(0) => false,
                    Some(1) => true,
                    _ => bail!("expire_nodest_conn of a row is 0 or 1: {value}"),
                },
            },
            strategies,
        })
    }
}

pub const FORWARDINGS: [(&str, Forwarding); 3] = [
    ("direct-route", Forwarding::DirectRoute),
    ("masquerade", Forwarding::Masquerade),
    ("tunnel", Forwarding::Tunnel),
];

/// Files that this one process may have open: a world has some thirty.
const OPEN_FILES: u64 = 16_384;

/// Runs all rows at once. `tell` gets each cell, once its row has been judged.
pub fn run(rows: &[Row], tell: &mut (dyn FnMut(&Told) + Send)) -> Result<()> {
    let limit = Rlimit {
        current: Some(OPEN_FILES),
        maximum: Some(OPEN_FILES),
    };
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")?;
    let cells: Vec<(usize, Strategy)> = rows
        .iter()
        .enumerate()
        .flat_map(|(row, of)| of.strategies.iter().map(move |strategy| (row, *strategy)))
        .collect();
    let together = Together::of(cells.len());
    let ended: Mutex<Vec<(usize, Strategy, Result<Cost>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for (number, (row, strategy)) in (0..).zip(&cells) {
            let (together, ended) = (&together, &ended);
            let setting = rows[*row].setting;
            scope.spawn(move || {
                let cost = cell::run(setting, *strategy, number, together);
                let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                ended.push((*row, *strategy, cost));
            });
        }
    });
    let ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (place, row) in rows.iter().enumerate() {
        let cells: Vec<_> = ended.iter().filter(|(of, _, _)| *of == place).collect();
        let fault = cells
            .iter()
            .find(|(_, strategy, _)| *strategy == Strategy::Control)
            .and_then(|(_, _, cost)| fault_of_control(cost));
        for (_, strategy, cost) in cells {
            tell(&told(row.setting, *strategy, cost, fault.as_ref()));
        }
    }
    Ok(())
}

/// A world in which nothing is done loses nothing; where it does, the guest was too busy for its row.
fn fault_of_control(cost: &Result<Cost>) -> Option<String> {
    match cost {
        Ok(cost) if cost.is_nothing() && cost.sent > 0 => None,
        Ok(cost) => Some(format!("the untouched world was not well: {cost:?}")),
        Err(error) => Some(format!("the untouched world failed: {error:#}")),
    }
}

fn told(setting: Setting, strategy: Strategy, cost: &Result<Cost>, fault: Option<&String>) -> Told {
    let forwarding = FORWARDINGS
        .into_iter()
        .find(|(_, forwarding)| *forwarding == setting.forwarding)
        .map_or("another", |(name, _)| name);
    Told {
        traffic: setting.kind.name(),
        forwarding,
        expire_nodest_conn: setting.expires.into(),
        strategy: strategy.name(),
        cost: cost.as_ref().ok().cloned(),
        void: match cost {
            Err(error) => Some(format!("{error:#}")),
            Ok(_) => fault.cloned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_has_an_untouched_world_whether_it_names_one_or_not() {
        let value = json!({"traffic": "dns", "forwarding": "tunnel", "expire_nodest_conn": 1, "strategies": ["delete"]});
        let row = Row::read(&value).unwrap();
        assert_eq!(row.strategies, [Strategy::Control, Strategy::Delete]);
        assert!(row.setting.expires);
        let unknown =
            json!({"traffic": "dns", "forwarding": "tunnel", "expire_nodest_conn": 2, "strategies": []});
        assert!(Row::read(&unknown).is_err());
    }
}
