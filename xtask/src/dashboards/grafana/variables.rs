//! What a reader chooses above the dashboard.
//!
//! A service and a server are several labels each. Their variables show a name and hold a list of matchers, which
//! queries take as it is (`${service:raw}`); so one choice stands for all labels of node_exporter's.

use serde_json::{Value, json};

use super::{chosen, source};

pub fn all() -> Vec<Value> {
    let service = named(
        "count by (proto, local_address, local_mark, local_port) (ipvsdrain_service_servers{INSTANCE})",
        r#""proto", "local_address", "local_mark", "local_port""#,
        ("(.+) (.*) (.*) (.+)", "$1 $2$3 $4"),
    );
    // A server that was removed is not in the table, and its drain may still be under way.
    let server = named(
        "count by (remote_address, remote_port) (ipvsdrain_server_weight{SERVICE} or ipvsdrain_drain_age_seconds{SERVICE})",
        r#""remote_address", "remote_port""#,
        ("(.+) (.+)", "$1 $2"),
    );
    vec![
        json!({
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "regex": "",
            "hide": 0,
            "refresh": 1,
            "multi": false,
            "includeAll": false,
            "skipUrlSync": false,
            "options": [],
        }),
        label("job", "Job", "label_values(ipvsdrain_build_info, job)"),
        label(
            "instance",
            "Instance",
            r#"label_values(ipvsdrain_build_info{job=~"$job"}, instance)"#,
        ),
        matchers("service", "Service", &service, r#"local_port=~".*""#),
        matchers("server", "Server", &server, r#"remote_port=~".*""#),
    ]
}

/// One label, of which several values may be chosen.
fn label(name: &str, shown: &str, query: &str) -> Value {
    let mut variable = variable(name, shown, query, 1);
    variable["multi"] = json!(true);
    variable["current"] = json!({"selected": true, "text": ["All"], "value": ["$__all"]});
    variable
}

/// A name that stands for a list of matchers; `all` matches what has those labels or not.
fn matchers(name: &str, shown: &str, query: &str, all: &str) -> Value {
    let mut variable = variable(name, shown, query, 3);
    // Grafana shows a result as `{a_name="…",label="value",…} value time`.
    variable["regex"] = json!(r#"/a_name="(?<text>[^"]+)",(?<value>.+)\}/"#);
    variable["allValue"] = json!(all);
    variable["current"] = json!({"selected": true, "text": "All", "value": "$__all"});
    variable
}

/// `kind` is Grafana's number: 1 for the values of a label, 3 for the result of a query.
fn variable(name: &str, shown: &str, query: &str, kind: u8) -> Value {
    json!({
        "name": name,
        "label": shown,
        "type": "query",
        "datasource": source(),
        "definition": query,
        "query": {"query": query, "qryType": kind, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "regex": "",
        "hide": 0,
        "refresh": 2,
        "sort": 1,
        "multi": false,
        "includeAll": true,
        "skipUrlSync": false,
        "options": [],
    })
}

/// The series with a name made of these labels, which sorts before the labels themselves.
fn named(series: &str, labels: &str, (pattern, name): (&str, &str)) -> String {
    let joined = format!(r#"label_join({}, "a_name", " ", {labels})"#, chosen(series));
    format!(r#"query_result(label_replace({joined}, "a_name", "{name}", "a_name", "{pattern}"))"#)
}
