//! What was measured, in the one shape in which every scenario of this folder tells it.

use serde::Serialize;
use serde_json::{Value, json};

/// One line of a table, on this kernel.
#[derive(Debug, Serialize)]
struct Figure {
    table: &'static str,
    what: String,
    unit: &'static str,
    value: f64,
}

/// The figures of one table, in the order in which they are to be shown.
#[derive(Debug)]
pub(super) struct Figures {
    table: &'static str,
    list: Vec<Figure>,
}

impl Figures {
    pub(super) fn of(table: &'static str) -> Self {
        Self {
            table,
            list: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, what: impl Into<String>, unit: &'static str, value: f64) {
        self.list.push(Figure {
            table: self.table,
            what: what.into(),
            unit,
            value,
        });
    }

    pub(super) fn told(&self) -> Value {
        json!({"figures": self.list})
    }
}
