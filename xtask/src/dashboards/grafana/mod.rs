//! The Grafana dashboard, as a maintainer edits it: one file per row, a few lines per panel.
//!
//! Owns what is shown and where; `cargo xtask dashboards make` writes the JSON. Where panels lie, their numbers and what
//! Grafana wants besides follow from the lists here.
//!
//! In queries these words in braces stand for the variables above the dashboard: `INSTANCE` for the daemons chosen,
//! `SERVICE` for those and the service, `SERVER` for all of these and the real server.

mod annotations;
mod daemon;
mod drain;
mod ended;
mod fleet;
mod health;
mod overview;
mod panel;
mod shape;
mod table;
mod variables;

use serde_json::{Value, json};

use panel::Panel;

const REPOSITORY: &str = "https://github.com/ipvsdrain/ipvsdrain/blob/main";
/// The width of a dashboard in Grafana's grid.
const WIDTH: u64 = 24;

/// What series are called.
const SERVICE: &str = "{{proto}} {{local_address}}{{local_mark}}:{{local_port}} ({{instance}})";
const SERVER: &str = "{{remote_address}}:{{remote_port}} in {{proto}} {{local_address}}{{local_mark}}:{{local_port}} ({{instance}})";

/// Panels below a heading.
struct Row {
    title: &'static str,
    panels: Vec<Panel>,
}

/// The dashboard as Grafana reads it.
pub fn dashboard() -> Value {
    json!({
        "title": "ipvsdrain",
        "uid": "ipvsdrain",
        "description": "Real servers that IPVS drains, their health, and the daemons that do it. docs/metrics.md has all metrics.",
        "tags": ["ipvs", "ipvsdrain"],
        "schemaVersion": 38,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [
            link("Runbook", "alerts.md", "What each alert means, and what to do"),
            link("Metrics", "metrics.md", "What each metric means"),
            link("Decisions", "decision.md", "When a drain goes on, is held, or ends"),
        ],
        "annotations": {"list": annotations::all()},
        "templating": {"list": variables::all()},
        "panels": laid_out(vec![
            overview::row(),
            drain::row(),
            health::row(),
            ended::row(),
            fleet::row(),
            daemon::row(),
        ]),
    })
}

fn link(title: &str, page: &str, tooltip: &str) -> Value {
    json!({
        "title": title,
        "type": "link",
        "icon": "doc",
        "url": format!("{REPOSITORY}/docs/{page}"),
        "tooltip": tooltip,
        "targetBlank": true,
        "asDropdown": false,
        "includeVars": false,
        "keepTime": false,
        "tags": [],
    })
}

/// Every panel at its place: from left to right, a new line where one does not fit, as high as the highest of its line.
fn laid_out(rows: Vec<Row>) -> Vec<Value> {
    let mut placed: Vec<Value> = Vec::new();
    let mut top = 0;
    for row in rows {
        let number = placed.len() + 1;
        placed.push(json!({
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": false,
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
            "panels": [],
        }));
        top += 1;
        let (mut left, mut height) = (0, 0);
        for panel in row.panels {
            if left + panel.width > WIDTH {
                top += height;
                (left, height) = (0, 0);
            }
            let place = json!({"x": left, "y": top, "w": panel.width, "h": panel.height});
            left += panel.width;
            height = height.max(panel.height);
            placed.push(panel.into_json(placed.len() + 1, &place));
        }
        top += height;
    }
    placed
}

/// A query with the words in braces replaced by what the variables choose.
fn chosen(expr: &str) -> String {
    expr.replace("SERVER", "SERVICE,${server:raw}")
        .replace("SERVICE", "INSTANCE,${service:raw}")
        .replace("INSTANCE", r#"job=~"$job",instance=~"$instance""#)
}

/// Where queries go: what the variable of that name chooses.
fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}
