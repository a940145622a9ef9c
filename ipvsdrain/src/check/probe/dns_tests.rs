//! Name servers that answer, and others.

use std::net::SocketAddr;
use std::str::FromStr;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::servers::{IMPATIENT, Manner, NOBODY, PATIENT, failed, tcp_server, tried, udp_server};
use crate::health::Outcome;

const ASK: &str = "dns = { name = \"example.org\", answer = \"192.0.2.1\" }";
const ASK_BY_TCP: &str = "dns = { name = \"example.org\", answer = \"192.0.2.1\", tcp = true }";

/// What a server says to this query that has the address 192.0.2.`last`.
fn answer(query: &[u8], last: u8) -> Message {
    let mut answer = Message::from_vec(query).unwrap();
    answer.metadata.message_type = MessageType::Response;
    let name = answer.queries[0].name().clone();
    assert_eq!(name, Name::from_str("example.org.").unwrap());
    answer.add_answer(Record::from_rdata(name, 60, RData::A(A::new(192, 0, 2, last))));
    answer
}

fn written(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

#[tokio::test]
async fn a_name_server_must_say_what_is_expected() {
    let good = udp_server(|query| vec![written(&answer(query, 1))]).await;
    assert_eq!(tried(ASK, PATIENT, good).await, Outcome::Passed);
    assert_eq!(
        tried("dns = { name = \"example.org.\" }", PATIENT, good).await,
        Outcome::Passed
    );
    let lame = tried(
        "dns = { name = \"example.org\", record = \"AAAA\" }",
        PATIENT,
        good,
    )
    .await;
    assert_eq!(lame, failed("example.org. AAAA: no such record in the answer"));
    let wrong = udp_server(|query| vec![written(&answer(query, 2))]).await;
    let said = "example.org. A: 192.0.2.2, expected 192.0.2.1";
    assert_eq!(tried(ASK, PATIENT, wrong).await, failed(said));
    let broken = udp_server(|query| {
        let mut answer = answer(query, 1);
        answer.metadata.response_code = ResponseCode::ServFail;
        vec![written(&answer)]
    })
    .await;
    let outcome = tried(ASK, PATIENT, broken).await;
    assert!(
        matches!(&outcome, Outcome::Failed(said) if said.starts_with("example.org. A: ")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn what_is_no_answer_fails() {
    let garbage = udp_server(|_| vec![b"pong".to_vec()]).await;
    let outcome = tried(ASK, PATIENT, garbage).await;
    assert!(
        matches!(&outcome, Outcome::Failed(said) if said.contains("no DNS")),
        "{outcome:?}"
    );
    let silent = udp_server(|_| Vec::new()).await;
    assert_eq!(
        tried(ASK, IMPATIENT, silent).await,
        failed("no answer within 100 ms")
    );
    let refused = failed("connection refused");
    assert_eq!(tried(ASK, PATIENT, NOBODY).await, refused);
    assert_eq!(tried(ASK_BY_TCP, PATIENT, NOBODY).await, refused);
    let hangs = tcp_server(Manner::Hangs).await;
    assert_eq!(
        tried(ASK_BY_TCP, IMPATIENT, hangs).await,
        failed("no answer within 100 ms")
    );
    let closes = tcp_server(Manner::Closes).await;
    assert!(matches!(
        tried(ASK_BY_TCP, PATIENT, closes).await,
        Outcome::Failed(_)
    ));
}

#[tokio::test]
async fn an_answer_to_another_query_is_passed_over() {
    let late = udp_server(|query| {
        let (mut other, right) = (answer(query, 2), answer(query, 1));
        other.metadata.id = other.metadata.id.wrapping_add(1);
        vec![written(&other), query.to_vec(), written(&right)]
    })
    .await;
    assert_eq!(tried(ASK, PATIENT, late).await, Outcome::Passed);
}

/// A server that answers one query over TCP.
async fn serve_tcp(listener: TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let length = stream.read_u16().await.unwrap();
    let mut query = vec![0; usize::from(length)];
    stream.read_exact(&mut query).await.unwrap();
    let answer = written(&answer(&query, 1));
    stream
        .write_u16(u16::try_from(answer.len()).unwrap())
        .await
        .unwrap();
    stream.write_all(&answer).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_asked_for_again_over_tcp() {
    let truncated = |query: &[u8]| {
        let mut answer = answer(query, 1);
        answer.answers.clear();
        answer.metadata.truncation = true;
        vec![written(&answer)]
    };
    // The same port, where it is free for both.
    let (at, listener) = loop {
        let at: SocketAddr = udp_server(truncated).await;
        if let Ok(listener) = TcpListener::bind(at).await {
            break (at, listener);
        }
    };
    let server = tokio::spawn(serve_tcp(listener));
    assert_eq!(tried(ASK, PATIENT, at).await, Outcome::Passed);
    server.await.unwrap();
}

#[tokio::test]
async fn a_name_server_is_asked_over_tcp_where_the_check_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let server = tokio::spawn(serve_tcp(listener));
    assert_eq!(tried(ASK_BY_TCP, PATIENT, at).await, Outcome::Passed);
    server.await.unwrap();
}
