//! The comparison as a table for people.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use super::outcome::{Comparison, Outcome};

pub fn draw(comparison: &Comparison) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header([
        "strategy",
        "requests sent",
        "lost",
        "seconds from depool to removal",
        "removed",
    ]);
    table.add_rows(comparison.strategies.iter().map(row));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!(
        "Maintenance of one of three real servers, kernel {}\n{table}",
        comparison.kernel
    )
}

fn row(outcome: &Outcome) -> [String; 5] {
    [
        outcome.name.clone(),
        outcome.sent.to_string(),
        outcome.lost.to_string(),
        outcome
            .seconds_to_removal
            .map_or_else(|| "given up".to_owned(), |seconds| format!("{seconds:.1}")),
        if outcome.removed { "yes" } else { "no" }.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maintenance_that_was_given_up_says_so() {
        let given_up = Outcome {
            name: "counter-poll".to_owned(),
            sent: 10,
            lost: 0,
            seconds_to_removal: None,
            removed: false,
        };
        let text = draw(&Comparison {
            kernel: "6.1.0".to_owned(),
            strategies: vec![given_up],
        });
        assert!(
            text.contains("kernel 6.1.0") && text.contains("given up") && text.contains("no"),
            "{text}"
        );
    }
}
