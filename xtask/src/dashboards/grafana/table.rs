//! Tables: one query a column, joined by the labels that all of them have.

use serde_json::{Map, Value, json};

use super::panel::Panel;
use super::shape::Kind;

/// A column: heading, unit, query.
pub type Column = (&'static str, &'static str, &'static str);

/// A table with these columns after those of the labels, each with its heading.
pub fn table(
    title: &'static str,
    description: &'static str,
    labels: &[(&str, &str)],
    columns: &[Column],
) -> Panel {
    let mut panel = Panel::new(Kind::Table, title, description);
    let mut names = Map::new();
    let mut order = Map::new();
    for (number, (label, heading)) in labels.iter().enumerate() {
        names.insert((*label).to_owned(), json!(heading));
        order.insert((*label).to_owned(), json!(number));
    }
    for (heading, unit, expr) in columns {
        let value = format!("Value #{}", panel.next_letter());
        order.insert(value.clone(), json!(order.len()));
        names.insert(value, json!(heading));
        panel = panel
            .query(expr, "")
            .but(&format!("^{heading}$"), &[("unit", json!(unit))]);
    }
    let organized: Value =
        json!({"excludeByName": {"Time": true}, "indexByName": order, "renameByName": names});
    panel
        .transform("merge", &json!({}))
        .transform("organize", &organized)
}
