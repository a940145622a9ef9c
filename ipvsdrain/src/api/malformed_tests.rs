//! What cannot be read is refused with the place and the remedy, and nothing is begun: each answer is in the snapshot.

use super::raw;
use super::tests::with_daemon;

const BODIES: [(&str, &str); 20] = [
    ("/v1/drains", ""),
    ("/v1/drains", "{"),
    ("/v1/drains", "[]"),
    ("/v1/drains", "{}"),
    ("/v1/drains", r#"{"service": "udp:10.0.0.1:53"}"#),
    (
        "/v1/drains",
        r#"{"service": "udp:10.0.0.1", "server": "10.1.0.5:53"}"#,
    ),
    (
        "/v1/drains",
        r#"{"service": "icmp:10.0.0.1:53", "server": "10.1.0.5:53"}"#,
    ),
    (
        "/v1/drains",
        r#"{"service": "fwmark:0", "server": "10.1.0.5:53"}"#,
    ),
    (
        "/v1/drains",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5"}"#,
    ),
    (
        "/v1/drains",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "policy": {"pined": "wait"}}"#,
    ),
    (
        "/v1/drains",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "policy": {"pinned": "drop"}}"#,
    ),
    (
        "/v1/drains",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "force": true}"#,
    ),
    (
        "/v1/restores",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "why": "so"}"#,
    ),
    (
        "/v1/reports",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "status": "down", "ttl_secs": 30}"#,
    ),
    (
        "/v1/reports",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "source": "a", "status": "sick", "ttl_secs": 30}"#,
    ),
    (
        "/v1/reports",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "source": "a b", "status": "down", "ttl_secs": 30}"#,
    ),
    (
        "/v1/reports",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "source": "a", "status": "down"}"#,
    ),
    (
        "/v1/reports",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "source": "a", "status": "up", "ttl_secs": 86401}"#,
    ),
    (
        "/v1/reports",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "source": "a", "status": "up", "ttl": 30}"#,
    ),
    (
        "/v1/reports",
        r#"{"service": "udp:10.0.0.1:53", "server": "10.1.0.5:53", "source": "a", "status": "down", "ttl_secs": 30, "cause": "one\ntwo"}"#,
    ),
];

const QUERIES: [&str; 6] = [
    "/v1/drains",
    "/v1/drains?service=udp:10.0.0.1:53&server=ten",
    "/v1/flows?service=udp:10.0.0.1:53&server=10.1.0.5:53&limit=10001",
    "/v1/flows?service=udp:10.0.0.1:53&server=10.1.0.5:53&limit=many",
    "/v1/history?form=1",
    "/v1/history?limit=0",
];

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_the_place() {
    with_daemon(|client, socket| async move {
        let mut said = Vec::new();
        for (path, body) in BODIES {
            let (status, answer) = raw::exchange(&socket, "POST", path, body).await;
            said.push(format!("POST {path} {body}\n  {status} {answer}"));
        }
        for path in QUERIES {
            let (status, answer) = raw::exchange(&socket, "GET", path, "").await;
            said.push(format!("GET {path}\n  {status} {answer}"));
        }
        insta::assert_snapshot!(said.join("\n"));
        let status = client.status().await.unwrap();
        assert!(
            status.drains.is_empty() && status.health.is_empty(),
            "nothing was begun or heard"
        );
    })
    .await;
}
