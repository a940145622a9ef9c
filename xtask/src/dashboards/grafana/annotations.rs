//! What is drawn across all panels: drains that begin and end, and packets that were lost.

use serde_json::{Value, json};

use super::{chosen, source};

pub fn all() -> Vec<Value> {
    let mut began = annotation(
        "Drain began",
        "blue",
        "ipvsdrain_drain_began_timestamp_seconds{SERVER} * 1000",
        "Drain of {{remote_address}}:{{remote_port}} began",
        "{{reason}}, in {{proto}} {{local_address}}{{local_mark}}:{{local_port}}",
        "instance,reason",
    );
    // The value is when it began; the sample may come later.
    began["useValueForTime"] = json!(true);
    vec![
        built_in(),
        began,
        annotation(
            "Drain ended",
            "green",
            "increase(ipvsdrain_drains_finished_total{INSTANCE}[$__rate_interval]) > 0",
            "Drain {{state}}: {{verdict}}",
            "{{reason}}, by {{instance}}",
            "instance,reason,verdict",
        ),
        annotation(
            "Packets lost",
            "red",
            "increase(ipvsdrain_packets_lost_total{INSTANCE}[$__rate_interval]) > 0",
            "A drain lost packets",
            "counted by {{instance}}",
            "instance",
        ),
    ]
}

/// Those that people write themselves; every dashboard has it.
fn built_in() -> Value {
    json!({
        "name": "Annotations & Alerts",
        "type": "dashboard",
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": true,
        "hide": true,
        "iconColor": "rgba(0, 211, 255, 1)",
    })
}

fn annotation(name: &str, color: &str, expr: &str, title: &str, text: &str, tags: &str) -> Value {
    json!({
        "name": name,
        "datasource": source(),
        "enable": true,
        "hide": false,
        "iconColor": color,
        "expr": chosen(expr),
        "titleFormat": title,
        "textFormat": text,
        "tagKeys": tags,
        "step": "",
        "useValueForTime": false,
    })
}
