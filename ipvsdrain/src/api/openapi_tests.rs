//! The description for programs is what the server does: every path, every answer.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use ipvsdrain_ebpf::accounting::Class;
use serde_json::{Value, json};

use super::raw;
use super::server::OPENAPI;
use super::tests::with_daemon_on;
use crate::clock;
use crate::moment::Moment;
use crate::supervise::FlowDetail;
use crate::supervise::fake_kernel::FakeKernel;

const NAMES: &str = "service=udp:10.0.0.1:53&server=10.1.0.5:53";

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// Fails unless the body is what the document says of this answer.
fn check(document: &Value, method: &str, path: &str, status: u16, body: &str) {
    let operation = &document["paths"][path][method.to_lowercase()];
    let answers = &operation["responses"];
    let answer = answers.get(status.to_string()).unwrap_or(&answers["default"]);
    let mut schema = answer["content"]["application/json"]["schema"].clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value: Value = serde_json::from_str(body).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(
        faults.is_empty(),
        "{method} {path} -> {status}: {faults:#?}\n{body}"
    );
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let routes: BTreeSet<&str> = include_str!("server.rs")
        .split('"')
        .filter(|word| word.starts_with("/v1/"))
        .collect();
    let document = document();
    let described: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(routes, described);
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let kernel = FakeKernel::new();
    // Reports are heard by the clock of this machine.
    kernel.0.borrow_mut().now = clock::now();
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    kernel.0.borrow_mut().details.push(FlowDetail {
        client: address("10.9.0.2:5000"),
        virtual_addr: address("10.0.0.1:53"),
        protocol: 17,
        class: Class::Udp,
        tcp_state: None,
        first_seen: Moment::from_secs(1),
        last_seen: Moment::from_secs(2),
        began_earlier: false,
        requests: 3,
        replies: 3,
    });
    with_daemon_on(kernel, |_, socket| async move {
        let document = document();
        let drain =
            json!({"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "policy": {"pinned": "migrate"}});
        let name = json!({"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53"});
        let report = |status| {
            json!({"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "source": "icinga", "status": status,
                   "ttl_secs": 30})
        };
        let (down, gone) = (report("down"), report("withdraw"));
        let asked = [
            ("GET", "/v1/status", String::new(), String::new(), 200),
            ("GET", "/v1/drains", NAMES.to_owned(), String::new(), 404),
            ("GET", "/v1/flows", NAMES.to_owned(), String::new(), 404),
            (
                "POST",
                "/v1/drains",
                String::new(),
                json!({"service": 5}).to_string(),
                400,
            ),
            ("POST", "/v1/plans", String::new(), drain.to_string(), 200),
            ("POST", "/v1/drains", String::new(), drain.to_string(), 200),
            ("POST", "/v1/plans", String::new(), drain.to_string(), 200),
            ("POST", "/v1/drains", String::new(), drain.to_string(), 409),
            ("GET", "/v1/drains", NAMES.to_owned(), String::new(), 200),
            ("GET", "/v1/status", String::new(), String::new(), 200),
            ("GET", "/v1/flows", NAMES.to_owned(), String::new(), 200),
            ("GET", "/v1/flows", format!("{NAMES}&limit=0"), String::new(), 400),
            ("POST", "/v1/restores", String::new(), name.to_string(), 200),
            ("POST", "/v1/restores", String::new(), name.to_string(), 404),
            ("GET", "/v1/history", String::new(), String::new(), 200),
            ("GET", "/v1/health", String::new(), String::new(), 200),
            ("POST", "/v1/reports", String::new(), down.to_string(), 200),
            ("GET", "/v1/health", String::new(), String::new(), 200),
            ("GET", "/v1/status", String::new(), String::new(), 200),
            ("GET", "/v1/history", String::new(), String::new(), 200),
            ("POST", "/v1/reports", String::new(), gone.to_string(), 200),
            ("POST", "/v1/reports", String::new(), name.to_string(), 400),
            ("GET", "/v1/openapi.json", String::new(), String::new(), 200),
        ];
        for (method, path, query, body, expected) in asked {
            let target = if query.is_empty() {
                path.to_owned()
            } else {
                format!("{path}?{query}")
            };
            let (status, said) = raw::exchange(&socket, method, &target, &body).await;
            assert_eq!(status, expected, "{method} {target}: {said}");
            check(&document, method, path, status, &said);
        }
    })
    .await;
}
