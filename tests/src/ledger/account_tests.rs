//! The account's questions, on both sides of each boundary.

use std::time::Duration;

use ipvsdrain::moment::Moment;

use super::{Flow, Ledger, Ports, Record, Server, Transport, View};

const ONE: Server = Server(1);
const TWO: Server = Server(2);

fn at(secs: u64) -> Moment {
    Moment::from_secs(secs)
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn udp_from(client: u16) -> Transport {
    Transport::Udp(Ports { client, service: 53 })
}

fn view(when: u64, since: u64) -> View {
    View {
        at: at(when),
        grain: secs(1),
        since: at(since),
    }
}

fn deliver(ledger: &Ledger, flow: Flow, sequence: u64, server: Server, when: u64) {
    ledger.received(Record { flow, sequence }, server, at(when));
}

#[test]
fn lost_duplicated_and_unanswered_records_are_named() {
    let ledger = Ledger::new();
    let flow = ledger.open(udp_from(1));
    for sequence in 0..5 {
        ledger.sent(flow, sequence, at(sequence));
    }
    for sequence in [0, 2, 2, 4] {
        deliver(&ledger, flow, sequence, ONE, sequence);
    }
    ledger.answered(Record { flow, sequence: 4 }, at(5));

    let account = ledger.account().of(flow).unwrap();
    assert_eq!((account.sent, account.received), (5, 3));
    assert_eq!(account.lost, [1, 3]);
    assert_eq!(account.duplicated, [2]);
    assert_eq!(account.unanswered, [0, 2]);
    assert_eq!(ledger.account().lost(), 2);
    assert!(ledger.account().faults(3).contains("lost [1, 3]"));
}

#[test]
fn a_move_to_another_server_is_a_second_serving() {
    let ledger = Ledger::new();
    let flow = ledger.open(udp_from(1));
    deliver(&ledger, flow, 0, ONE, 1);
    deliver(&ledger, flow, 1, ONE, 2);
    deliver(&ledger, flow, 2, TWO, 3);

    let servings = ledger.account().servings(flow);
    assert_eq!(
        servings
            .iter()
            .map(|run| (run.server, run.records))
            .collect::<Vec<_>>(),
        [(ONE, 2), (TWO, 1)]
    );
    assert_eq!(ledger.account().last_receipt(ONE), Some(at(2)));
    assert_eq!(ledger.account().received_after(TWO, at(2)), 1);
}

#[test]
fn a_udp_flow_is_live_to_the_end_of_its_window_and_not_after() {
    let ledger = Ledger::new();
    let flow = ledger.open(udp_from(1));
    deliver(&ledger, flow, 0, ONE, 100);

    let account = ledger.account();
    assert_eq!(account.live_udp(ONE, at(99), secs(10)), 0);
    assert_eq!(account.live_udp(ONE, at(110), secs(10)), 1);
    assert_eq!(account.live_udp(ONE, at(111), secs(10)), 0);
    assert_eq!(account.live_udp(TWO, at(105), secs(10)), 0);

    let within = |when| account.live_udp_within(ONE, &view(when, 0), secs(10));
    assert_eq!(within(98), 0..=0);
    assert_eq!(within(99), 0..=1);
    assert_eq!(within(101), 1..=1);
    assert_eq!(within(109), 1..=1);
    assert_eq!(within(111), 0..=1);
    assert_eq!(within(112), 0..=0);
    assert_eq!(account.live_udp_within(ONE, &view(105, 100), secs(10)), 0..=1);
}

#[test]
fn a_port_that_comes_back_is_the_flow_it_was() {
    let ledger = Ledger::new();
    for (port, when) in [(1, 100), (1, 105), (2, 106)] {
        let flow = ledger.open(udp_from(port));
        deliver(&ledger, flow, 0, ONE, when);
    }

    let account = ledger.account();
    assert_eq!(account.live_udp(ONE, at(107), secs(10)), 2);
    assert_eq!(account.live_udp_within(ONE, &view(108, 0), secs(10)), 2..=2);
    assert_eq!(account.live_udp(ONE, at(116), secs(10)), 1, "port 2 alone");
}

#[test]
fn a_tcp_connection_is_open_from_accept_to_close_even_if_silent() {
    let ledger = Ledger::new();
    let flow = ledger.open(Transport::Tcp);
    ledger.accepted(flow, ONE, at(10));
    ledger.closed(flow, at(500));

    let account = ledger.account();
    assert_eq!(account.open_tcp(ONE, at(9)), 0);
    assert_eq!(account.open_tcp(ONE, at(499)), 1);
    assert_eq!(account.open_tcp(ONE, at(500)), 0);
    assert_eq!(account.open_tcp(TWO, at(300)), 0);
    assert_eq!(account.open_tcp_within(ONE, &view(9, 0)), 0..=1);
    assert_eq!(account.open_tcp_within(ONE, &view(300, 299)), 1..=1);
    assert_eq!(account.open_tcp_within(ONE, &view(500, 0)), 0..=1);
    assert_eq!(account.open_tcp_within(ONE, &view(502, 0)), 0..=0);
    assert_eq!(account.live_udp(ONE, at(300), secs(1000)), 0);

    let closing = |when| account.closing_tcp_within(ONE, &view(when, 0), secs(10));
    assert_eq!(closing(498), 0..=0);
    assert_eq!(closing(500), 0..=1);
    assert_eq!(closing(505), 1..=1);
    assert_eq!(closing(511), 0..=1);
    assert_eq!(closing(512), 0..=0);
}

#[test]
fn a_record_of_a_foreign_flow_is_not_written() {
    let ledger = Ledger::new();
    deliver(&ledger, Flow(77), 0, ONE, 1);
    assert_eq!(ledger.account().flows().count(), 0);
}
