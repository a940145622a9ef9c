//! A persistent service with a client that opens new flows all the time: its template leads each of them to the server
//! that is drained, weight 0 or not.

use std::time::Duration;

use anyhow::Result;
use ipvsdrain::identity::Protocol;

use super::judged::End;
use super::row::Row;
use super::setting::{Case, DRAINED, PORT, Setting};
use crate::clock;
use crate::ledger::Server;
use crate::traffic::Replies;

const PERSISTENT: &str = "-s rr -p 300";
/// Either is something to do about it.
const REMEDIES: [&str; 2] = ["--persistence", "expire_quiescent_template"];
const OTHER: Server = Server(2);

pub(super) fn rows() -> Vec<Row> {
    let on = |protocol| Setting::of(protocol).with_service(PERSISTENT);
    vec![
        Row::new("persistent-udp-report", on(Protocol::Udp), udp_report),
        Row::new("persistent-tcp-report", on(Protocol::Tcp), tcp_report),
        Row::new("persistent-udp-set", on(Protocol::Udp), udp_set),
        Row::new("persistent-tcp-set", on(Protocol::Tcp), tcp_set),
    ]
}

fn udp_report(case: &mut Case<'_>) -> Result<()> {
    send_udp(case)?;
    report(case)
}

fn tcp_report(case: &mut Case<'_>) -> Result<()> {
    connect_tcp(case)?;
    report(case)
}

fn udp_set(case: &mut Case<'_>) -> Result<()> {
    send_udp(case)?;
    set(case)
}

fn tcp_set(case: &mut Case<'_>) -> Result<()> {
    connect_tcp(case)?;
    set(case)
}

/// It goes on draining, and says what leaks and what to do about it.
fn report(case: &mut Case<'_>) -> Result<()> {
    let drain = case.drain(&[])?;
    clock::pass(Duration::from_secs(25));
    let leaks = case.daemon.drain_as_json(case.place)?["leaks"].clone();
    case.facts
        .says("cause of the leak", "persisten", leaks["cause"].as_str());
    let remedy = leaks["remedy"].as_str().unwrap_or_default();
    let named = REMEDIES.iter().any(|word| remedy.contains(word));
    case.facts.add("remedy named", true, named);
    let flows = leaks["flows"].as_u64().is_some_and(|flows| flows > 0);
    case.facts.add("flows leaked", true, flows);
    case.judge_now(drain, End::DRAINING)
}

/// The client moves at its next new flow.
fn set(case: &mut Case<'_>) -> Result<()> {
    let drain = case.drain(&["--persistence", "set"])?;
    case.judge_end(drain, End::IDLE)
}

fn send_udp(case: &mut Case<'_>) -> Result<()> {
    only_drained(case, |case| {
        case.traffic.receive_udp(PORT, Replies::Echo)?;
        case.send_new_udp(Duration::from_millis(300), Replies::Echo)
    })
}

fn connect_tcp(case: &mut Case<'_>) -> Result<()> {
    only_drained(case, |case| {
        case.traffic.receive_tcp(PORT)?;
        case.traffic.connect_short_tcp(PORT, Duration::from_millis(500))
    })
}

/// The client's first flow, and with it the template, goes to the server that will be drained.
fn only_drained(case: &mut Case<'_>, begin: impl FnOnce(&mut Case<'_>) -> Result<()>) -> Result<()> {
    let other = case.place_of(OTHER);
    case.world.director().set_weight(other, 0)?;
    begin(case)?;
    clock::pass(Duration::from_secs(2));
    case.world.director().set_weight(other, 1)?;
    clock::pass(Duration::from_secs(1));
    let here = case.traffic.ledger().account().flows_of(DRAINED).count();
    anyhow::ensure!(here > 0, "the client has no flow at server1");
    Ok(())
}
