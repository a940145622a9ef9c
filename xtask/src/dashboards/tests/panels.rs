//! The dashboard is what its source makes, and each panel can be read and edited.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::{grafana, queries};

fn committed() -> Value {
    serde_json::from_str(queries::DASHBOARD).unwrap()
}

/// Panels that are not headings.
fn shown(dashboard: &Value) -> Vec<&Value> {
    let panels = queries::panels(dashboard);
    panels
        .into_iter()
        .filter(|panel| panel["type"] != "row")
        .collect()
}

fn said<'panel>(panel: &'panel Value, property: &str) -> &'panel str {
    panel[property].as_str().unwrap_or_default()
}

#[test]
fn the_committed_dashboard_is_the_one_that_is_made() {
    let made = grafana::dashboard();
    assert!(
        made == committed(),
        "dashboards/ipvsdrain.json is not what its source makes: `cargo xtask dashboards make` writes it anew"
    );
}

#[test]
fn each_panel_says_what_it_is_in_which_unit_and_from_when_on_it_is_bad() {
    let dashboard = committed();
    let mut titles = BTreeSet::new();
    for panel in shown(&dashboard) {
        let title = said(panel, "title");
        assert!(
            !title.is_empty() && titles.insert(title),
            "the title `{title}` is there twice, or empty"
        );
        let description = said(panel, "description");
        assert!(
            description.ends_with('.'),
            "{title}: what does it show? `{description}`"
        );
        let defaults = &panel["fieldConfig"]["defaults"];
        assert!(!said(defaults, "unit").is_empty(), "{title} has no unit");
        let steps = defaults["thresholds"]["steps"].as_array().unwrap();
        assert!(
            steps[0]["value"].is_null(),
            "{title}: the first colour is for everything below the others"
        );
        let limits: Vec<_> = steps[1..]
            .iter()
            .map(|step| step["value"].as_f64().unwrap())
            .collect();
        assert!(limits.is_sorted(), "{title}: {limits:?}");
    }
}

#[test]
fn only_what_may_be_below_zero_does_not_begin_at_zero() {
    let dashboard = committed();
    let free = shown(&dashboard)
        .into_iter()
        .filter(|panel| panel["fieldConfig"]["defaults"]["min"] != 0.0);
    let titles: Vec<_> = free.map(|panel| said(panel, "title")).collect();
    assert_eq!(titles, ["Time to the deadline"]);
}

#[test]
fn everything_asks_the_data_source_that_the_reader_chose() {
    let dashboard = committed();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let panels = shown(&dashboard).into_iter().cloned();
    let mut asking: Vec<Value> = panels
        .flat_map(|panel| [list(&panel["targets"]), vec![panel]].concat())
        .collect();
    asking.extend(list(&dashboard["templating"]["list"]));
    asking.extend(list(&dashboard["annotations"]["list"]));
    // What Grafana asks itself: which data sources there are, and what people noted.
    asking.retain(|asks| asks["type"] != "datasource" && asks["builtIn"] != 1);
    for asks in asking {
        let source = &asks["datasource"];
        assert_eq!(source["type"], "prometheus", "{asks}");
        assert_eq!(source["uid"], "${datasource}", "{asks}");
    }
}

#[test]
fn each_panel_asks_something_and_calls_each_query_by_its_own_letter() {
    let dashboard = committed();
    for panel in shown(&dashboard) {
        let title = said(panel, "title");
        let targets = panel["targets"].as_array().unwrap();
        // It asks Grafana itself.
        assert_ne!(targets.is_empty(), panel["type"] != "alertlist", "{title}");
        let letters: BTreeSet<_> = targets.iter().map(|target| said(target, "refId")).collect();
        assert_eq!(letters.len(), targets.len(), "{title}");
    }
}

#[test]
fn numbers_are_given_once_and_no_panel_covers_another() {
    let dashboard = committed();
    let panels = queries::panels(&dashboard);
    let numbers: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(
            side("x") + side("w") <= 24 && side("w") > 0 && side("h") > 0,
            "{}",
            panel["gridPos"]
        );
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(
                    taken.insert((x, y)),
                    "{} covers another panel at {x}, {y}",
                    panel["title"]
                );
            }
        }
    }
}
