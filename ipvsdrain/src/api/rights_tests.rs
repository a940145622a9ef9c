//! Who may look may not act; and what a reader of the stream is told.

use http_body_util::BodyExt;

use super::access::reading_socket;
use super::client::Client;
use super::tests::{problem, request, with_daemon};
use super::{DrainView, ProblemKind, ReportRequest, ReportStatus, ServerName, raw};
use crate::drain::{Policy, State};

#[tokio::test]
async fn over_the_reading_socket_one_looks_and_does_not_act() {
    with_daemon(|client, socket| async move {
        let reader = Client::new(&reading_socket(&socket));
        assert!(reader.status().await.unwrap().drains.is_empty());
        let asked = request(Policy::default());
        let refused = problem(reader.drain(&asked).await.unwrap_err());
        assert_eq!(refused.kind, ProblemKind::Forbidden);
        assert!(
            refused.error.contains("look and not act") && refused.error.contains("ipvsdrain.sock"),
            "{refused}"
        );
        let report = ReportRequest {
            service: asked.service,
            server: asked.server,
            source: "icinga".to_owned(),
            status: ReportStatus::Down,
            ttl_secs: Some(30),
            cause: String::new(),
        };
        let refused = problem(reader.report(&report).await.unwrap_err());
        assert_eq!(refused.kind, ProblemKind::Forbidden);
        assert!(reader.health().await.unwrap().servers.is_empty());
        assert!(
            client.status().await.unwrap().drains.is_empty(),
            "nothing was begun"
        );

        let begun = client.drain(&asked).await.unwrap();
        let name = ServerName {
            service: begun.service,
            server: begun.server,
        };
        assert_eq!(reader.newer(&name, None).await.unwrap().id, begun.id);
        let refused = problem(reader.restore(&name).await.unwrap_err());
        assert_eq!(refused.kind, ProblemKind::Forbidden);
        assert_eq!(client.newer(&name, None).await.unwrap().state, begun.state);
    })
    .await;
}

#[tokio::test]
async fn a_stream_tells_each_drain_as_it_stands_and_when_it_changes() {
    with_daemon(|client, socket| async move {
        let begun = client.drain(&request(Policy::default())).await.unwrap();
        let name = ServerName {
            service: begun.service,
            server: begun.server,
        };
        let answer = raw::send(&reading_socket(&socket), "GET", "/v1/events", "").await;
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut body = answer.into_body();
        let mut text = String::new();
        let mut restored = false;
        let states = loop {
            let frame = body.frame().await.unwrap().unwrap();
            text += &String::from_utf8_lossy(frame.data_ref().unwrap());
            let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
            let views: Vec<DrainView> = data.filter_map(|json| serde_json::from_str(json).ok()).collect();
            if !restored {
                restored = true;
                client.restore(&name).await.unwrap();
            }
            if views.last().is_some_and(|view| view.over) {
                break views.iter().map(|view| view.state).collect::<Vec<_>>();
            }
        };
        assert_eq!(
            (states.first(), states.last()),
            (Some(&State::Draining), Some(&State::Restored))
        );
        assert!(text.starts_with("event: drain\n"), "{text}");
    })
    .await;
}
