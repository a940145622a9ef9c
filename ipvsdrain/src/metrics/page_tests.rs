//! The page that lists the metrics and what is rendered, against each other.

use std::collections::{BTreeMap, BTreeSet};

use super::everything::scene;
use super::{families, of_the_process};
use prometheus::proto::MetricType;

const PAGE: &str = include_str!("../../../docs/metrics.md");

/// Of each name: its type, its unit, its labels.
type Described = BTreeMap<String, (String, BTreeSet<String>)>;

fn code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `server` and `service` stand for what is listed at the top of the page.
fn labels(cell: &str) -> BTreeSet<String> {
    let stands_for = |word: &str| {
        let start = format!("- *{word}*: ");
        let line = PAGE.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
        code(line)
    };
    let mut labels: BTreeSet<String> = code(cell).into_iter().collect();
    for word in ["server", "service"] {
        if cell.contains(&format!("*{word}*")) {
            labels.extend(stands_for(word));
        }
    }
    labels
}

fn on_the_page() -> Described {
    let rows = PAGE
        .lines()
        .filter(|line| line.starts_with("| `ipvsdrain_") || line.starts_with("| `process_"));
    let mut described = Described::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, unit, named, meaning] = cells.as_slice() else {
            panic!("not five cells: {row}");
        };
        let name = code(name).remove(0);
        assert_eq!(name.contains("_seconds"), *unit == "seconds", "{row}");
        assert_eq!(name.ends_with("_ratio"), *unit == "ratio", "{row}");
        assert_eq!(name.ends_with("_total"), *kind == "counter", "{row}");
        assert!(!meaning.is_empty(), "{row}");
        let before = described.insert(name, ((*kind).to_owned(), labels(named)));
        assert!(before.is_none(), "twice: {row}");
    }
    described
}

fn rendered() -> Described {
    let scene = scene();
    let mut families = families(&scene.sight(), &scene.lifetime);
    families.extend(of_the_process());
    let describe = |family: &prometheus::proto::MetricFamily| {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => "counter",
            MetricType::HISTOGRAM => "histogram",
            _ => "gauge",
        };
        let named = family.get_metric().iter().map(|metric| -> BTreeSet<String> {
            metric
                .get_label()
                .iter()
                .map(|pair| pair.name().to_owned())
                .collect()
        });
        let named: BTreeSet<BTreeSet<String>> = named.collect();
        assert_eq!(
            named.len(),
            1,
            "{} has now these labels and now others",
            family.name()
        );
        let labels = named.into_iter().next().unwrap_or_default();
        (family.name().to_owned(), (kind.to_owned(), labels))
    };
    families.iter().map(describe).collect()
}

#[test]
fn the_page_lists_what_is_rendered_and_no_more() {
    let (page, rendered) = (on_the_page(), rendered());
    for (name, described) in &rendered {
        assert_eq!(page.get(name), Some(described), "{name}");
    }
    let more: Vec<&String> = page.keys().filter(|name| !rendered.contains_key(*name)).collect();
    assert!(more.is_empty(), "not rendered: {more:?}");
}
