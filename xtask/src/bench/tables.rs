//! What scenarios measured, as Markdown: a table for each subject, a line for each figure, a column for each kernel. Pure.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One figure of one kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Figure {
    table: String,
    what: String,
    unit: String,
    value: f64,
}

/// All figures of one kernel.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(super) struct Measured {
    /// Its release, as in `uname -r`.
    kernel: String,
    figures: Vec<Figure>,
}

impl Measured {
    /// Takes what one more scenario returned.
    pub(super) fn take(&mut self, kernel: &str, value: &Value) -> Result<()> {
        kernel.clone_into(&mut self.kernel);
        let figures: Vec<Figure> = serde_json::from_value(value["figures"].clone())
            .with_context(|| format!("the scenario's value is not what it should be: {value}"))?;
        self.figures.extend(figures);
        Ok(())
    }

    fn of(&self, line: &Figure) -> Option<f64> {
        let is_same = |figure: &&Figure| {
            (&figure.table, &figure.what, &figure.unit) == (&line.table, &line.what, &line.unit)
        };
        self.figures.iter().find(is_same).map(|figure| figure.value)
    }
}

/// The tables, in the order of the first kernel's figures.
pub(super) fn draw(measured: &[Measured]) -> String {
    let mut text = String::new();
    let mut table = "";
    for line in measured.first().map_or(&[][..], |first| &first.figures) {
        if line.table != table {
            table = &line.table;
            let kernels: Vec<&str> = measured.iter().map(|one| one.kernel.as_str()).collect();
            let _ = writeln!(text, "\n| {table} | unit | {} |", kernels.join(" | "));
            let _ = writeln!(text, "|---|---|{}", "---:|".repeat(kernels.len()));
        }
        let values: Vec<String> = measured
            .iter()
            .map(|one| one.of(line).map_or_else(|| "–".to_owned(), number))
            .collect();
        let _ = writeln!(text, "| {} | {} | {} |", line.what, line.unit, values.join(" | "));
    }
    text
}

/// With the thousands apart; small ones with their first decimal.
fn number(value: f64) -> String {
    let rounded = if value.abs() < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    };
    let (whole, rest) = rounded
        .split_once('.')
        .map_or((rounded.as_str(), ""), |parts| parts);
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{grouped}{point}{rest}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        let all = [0.0, 9.26, 99.94, 999.6, 1234.5, 12_345_678.0, -1234.0, -0.4].map(number);
        assert_eq!(
            all,
            [
                "0.0",
                "9.3",
                "99.9",
                "1,000",
                "1,234",
                "12,345,678",
                "-1,234",
                "-0.4"
            ]
        );
    }

    #[test]
    fn each_subject_has_a_table_and_each_kernel_a_column() {
        let figure = |table: &str, what: &str, value: f64| json!({"table": table, "what": what, "unit": "ms", "value": value});
        let mut one = Measured::default();
        one.take("6.1.0", &json!({"figures": [figure("start", "empty", 5.0)]}))
            .unwrap();
        one.take("6.1.0", &json!({"figures": [figure("flows", "step", 7.0)]}))
            .unwrap();
        let mut other = Measured::default();
        other
            .take("7.3.0", &json!({"figures": [figure("start", "empty", 6.0)]}))
            .unwrap();
        assert_eq!(
            draw(&[one, other]),
            "\n| start | unit | 6.1.0 | 7.3.0 |\n|---|---|---:|---:|\n| empty | ms | 5.0 | 6.0 |\n\
             \n| flows | unit | 6.1.0 | 7.3.0 |\n|---|---|---:|---:|\n| step | ms | 7.0 | – |\n"
        );
        assert!(Measured::default().take("6.1.0", &json!({})).is_err());
    }
}
