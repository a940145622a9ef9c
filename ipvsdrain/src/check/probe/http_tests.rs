//! Web servers that do as they should, and others.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::servers::{IMPATIENT, Manner, NOBODY, PATIENT, failed, tcp_server, tls_server, tried};
use crate::health::Outcome;

const OK: Manner = Manner::Says("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nall ok\n");
const UNAVAILABLE: Manner = Manner::Says("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");

#[tokio::test]
async fn a_page_passes_by_its_status_and_its_text() {
    let there = tcp_server(OK).await;
    for kind in [
        "http = {}",
        "http = { body = \"ok\" }",
        "http = { status = [204, 200] }",
    ] {
        assert_eq!(tried(kind, PATIENT, there).await, Outcome::Passed, "{kind}");
    }
    let text = tried("http = { body = \"fine\" }", PATIENT, there).await;
    assert_eq!(text, failed("an answer of 7 bytes, without what is expected"));
    let down = tcp_server(UNAVAILABLE).await;
    assert_eq!(
        tried("http = {}", PATIENT, down).await,
        failed("status 503, expected 200")
    );
    let either = tried("http = { status = [200, 204] }", PATIENT, down).await;
    assert_eq!(either, failed("status 503, expected 200 or 204"));
    assert_eq!(
        tried("http = { status = [503] }", PATIENT, down).await,
        Outcome::Passed
    );
}

#[tokio::test]
async fn an_answer_that_is_none_fails() {
    let refused = tried("http = {}", PATIENT, NOBODY).await;
    assert_eq!(refused, failed("connection refused"));
    let hangs = tcp_server(Manner::Hangs).await;
    assert_eq!(
        tried("http = {}", IMPATIENT, hangs).await,
        failed("no answer within 100 ms")
    );
    let body = Manner::Says("HTTP/1.1 200 OK\r\ncontent-length: 70\r\n\r\nall");
    for manner in [
        Manner::Closes,
        Manner::Says("220 mail.example.org ESMTP\r\n"),
        body,
    ] {
        let there = tcp_server(manner).await;
        let outcome = tried("http = { body = \"ok\" }", PATIENT, there).await;
        assert!(matches!(outcome, Outcome::Failed(_)), "{manner:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_body_is_read_to_its_limit_and_no_further() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(stream.read_u8().await);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await);
        // For ever: whoever reads on would never come to an end.
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    let outcome = tried("http = { body = \"ok\" }", PATIENT, at).await;
    assert_eq!(
        outcome,
        failed("an answer of 65536 bytes, without what is expected")
    );
}

#[tokio::test]
async fn a_server_is_asked_for_the_page_of_the_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(stream.read_u8().await.unwrap());
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        String::from_utf8(asked).unwrap().to_lowercase()
    });
    let kind = "http = { path = \"/health?deep=1\", host = \"www.example.org\" }";
    assert_eq!(tried(kind, PATIENT, at).await, Outcome::Passed);
    let asked = server.await.unwrap();
    assert!(asked.starts_with("get /health?deep=1 http/1.1\r\n"), "{asked}");
    assert!(asked.contains("host: www.example.org\r\n"), "{asked}");
    assert!(asked.contains("connection: close\r\n"), "{asked}");
}

#[tokio::test]
async fn a_page_is_asked_for_over_tls() {
    let (there, _) = tls_server("www.example.org", OK).await;
    assert_eq!(
        tried("https = { body = \"ok\" }", PATIENT, there).await,
        Outcome::Passed
    );
    let (down, _) = tls_server("www.example.org", UNAVAILABLE).await;
    assert_eq!(
        tried("https = {}", PATIENT, down).await,
        failed("status 503, expected 200")
    );
    let plain = tcp_server(OK).await;
    let outcome = tried("https = {}", PATIENT, plain).await;
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
}
