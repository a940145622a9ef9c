//! Connections, datagrams, and what all kinds have in common.

use std::time::Duration;

use super::in_silence;
use super::servers::{IMPATIENT, Manner, NOBODY, PATIENT, failed, job, tcp_server, tried, udp_server};
use crate::health::Outcome;

#[tokio::test]
async fn a_server_that_takes_connections_passes_and_one_that_does_not_fails() {
    let there = tcp_server(Manner::Hangs).await;
    assert_eq!(tried("tcp = {}", PATIENT, there).await, Outcome::Passed);
    let refused = failed("connection refused");
    assert_eq!(tried("tcp = {}", PATIENT, NOBODY).await, refused);
    let port = there.port();
    let elsewhere = tried(&format!("port = {port}\ntcp = {{}}"), PATIENT, NOBODY).await;
    assert_eq!(elsewhere, Outcome::Passed, "the port of the check");
}

#[tokio::test]
async fn a_server_without_a_port_is_no_result() {
    let outcome = tried("tcp = {}", PATIENT, "127.0.0.1:0".parse().unwrap()).await;
    assert!(
        matches!(&outcome, Outcome::NoResult(said) if said.contains("`port`")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_datagram_must_be_answered_with_what_is_expected() {
    let echo = udp_server(|asked| vec![[b"<", asked, b">"].concat()]).await;
    let expecting = |expect: &str| format!("udp = {{ send = \"ping\", {expect} }}");
    for expect in ["expect = \"ping\"", "expect = \"<p\"", "expect_hex = \"3c 70\""] {
        assert_eq!(
            tried(&expecting(expect), PATIENT, echo).await,
            Outcome::Passed,
            "{expect}"
        );
    }
    let odd = tried(&expecting("expect = \"pong\""), PATIENT, echo).await;
    assert_eq!(odd, failed("an answer of 6 bytes, without what is expected"));
    let silent = udp_server(|_| Vec::new()).await;
    let unanswered = tried(&expecting("expect = \"ping\""), IMPATIENT, silent).await;
    assert_eq!(unanswered, failed("no answer within 100 ms"));
}

#[tokio::test]
async fn where_nothing_is_expected_silence_passes_and_a_closed_port_does_not() {
    let send = "udp = { send_hex = \"00\" }";
    let silent = udp_server(|_| Vec::new()).await;
    assert_eq!(tried(send, IMPATIENT, silent).await, Outcome::Passed);
    let refused = failed("connection refused");
    assert_eq!(tried(send, PATIENT, NOBODY).await, refused);
    let expecting = "udp = { send = \"ping\", expect = \"pong\" }";
    assert_eq!(tried(expecting, PATIENT, NOBODY).await, refused);
}

#[test]
fn an_end_that_comes_much_too_late_says_nothing_about_the_server() {
    let (limit, ms) = (Duration::from_millis(100), Duration::from_millis);
    let after = |kind: &str, took| in_silence(&job(kind, IMPATIENT).kind, limit, took);
    assert_eq!(after("tcp = {}", ms(600)), failed("no answer within 100 ms"));
    let late = after("tcp = {}", ms(601));
    assert!(
        matches!(&late, Outcome::NoResult(said) if said.contains("too busy")),
        "{late:?}"
    );
    assert_eq!(after("udp = { send = \"a\" }", ms(601)), Outcome::Passed);
}
