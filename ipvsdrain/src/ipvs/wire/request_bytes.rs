//! Every request, byte by byte.
//!
//! The bytes are those of a little-endian machine: netlink speaks the machine's own order.
#![cfg(target_endian = "little")]

use super::{Request, family_request};
use crate::identity::{RealServer, VirtualService};
use crate::ipvs::model::{
    Destination, Forwarding, Service, ServiceFlags, Stats, Timeouts, Tunnel, TunnelKind,
};

const FAMILY_NUMBER: u16 = 0x1b;

/// Hex with any spacing, and `|` where a reader likes one.
fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn spelled(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[track_caller]
fn assert_bytes(request: Request, expected: &str) {
    assert_eq!(spelled(&request.bytes(FAMILY_NUMBER, 7)), spelled(&hex(expected)));
}

fn dns() -> VirtualService {
    "udp:10.0.0.1:53".parse().unwrap()
}

fn server() -> RealServer {
    "10.1.0.5:53".parse().unwrap()
}

fn gue() -> Destination {
    Destination {
        server: server(),
        forwarding: Forwarding::Tunnel(Tunnel {
            kind: TunnelKind::Gue,
            port: 6080,
            flags: 1,
        }),
        weight: 3,
        upper_threshold: 200,
        lower_threshold: 100,
        active: 9,
        inactive: 9,
        persistent: 9,
        stats: Stats {
            connections: 9,
            ..Stats::default()
        },
    }
}

const DNS: &str = "
    3000 0180 | 0600 0100 0200 0000 | 0600 0200 1100 0000
              | 1400 0300 0a000001 00000000 00000000 00000000 | 0600 0400 0035 0000";
const SERVER: &str = "
              | 0600 0b00 0200 0000 | 1400 0100 0a010005 00000000 00000000 00000000 | 0600 0200 0035 0000";

#[test]
fn asking_for_the_family_names_it() {
    assert_eq!(
        spelled(&family_request(7)),
        spelled(&hex(
            "20000000 1000 0500 07000000 00000000 | 03 02 0000 | 0900 0200 49505653 00 000000"
        ))
    );
}

#[test]
fn info_and_timeouts_are_bare_commands() {
    assert_bytes(
        Request::info(),
        "14000000 1b00 0500 07000000 00000000 | 0f 01 0000",
    );
    assert_bytes(
        Request::timeouts(),
        "14000000 1b00 0500 07000000 00000000 | 0d 01 0000",
    );
}

#[test]
fn setting_timeouts_sends_the_three() {
    assert_bytes(
        Request::set_timeouts(&Timeouts {
            tcp_secs: 900,
            tcp_fin_secs: 0,
            udp_secs: 30,
        }),
        "2c000000 1b00 0500 07000000 00000000 | 0c 01 0000
         | 0800 0400 84030000 | 0800 0500 00000000 | 0800 0600 1e000000",
    );
}

#[test]
fn lists_are_dumps_and_ask_for_no_acknowledgement() {
    assert_bytes(
        Request::services(),
        "14000000 1b00 0103 07000000 00000000 | 04 01 0000",
    );
    assert_bytes(
        Request::destinations(&dns()),
        &format!("44000000 1b00 0103 07000000 00000000 | 08 01 0000 {DNS}"),
    );
}

#[test]
fn one_service_is_asked_for_by_its_key() {
    assert_bytes(
        Request::service(&dns()),
        &format!("44000000 1b00 0500 07000000 00000000 | 04 01 0000 {DNS}"),
    );
    assert_bytes(
        Request::service(&"fwmark6:7".parse().unwrap()),
        "28000000 1b00 0500 07000000 00000000 | 04 01 0000
         | 1400 0180 | 0600 0100 0a00 0000 | 0800 0500 07000000",
    );
    assert_bytes(
        Request::service(&"tcp:[2001:db8::1]:443".parse().unwrap()),
        "44000000 1b00 0500 07000000 00000000 | 04 01 0000
         | 3000 0180 | 0600 0100 0a00 0000 | 0600 0200 0600 0000
                     | 1400 0300 20010db8 00000000 00000000 00000001 | 0600 0400 01bb 0000",
    );
}

#[test]
fn removing_a_service_sends_its_key() {
    assert_bytes(
        Request::remove_service(&dns()),
        &format!("44000000 1b00 0500 07000000 00000000 | 03 01 0000 {DNS}"),
    );
}

#[test]
fn a_service_is_sent_whole_but_for_the_kernels_own_flag() {
    let service = Service {
        identity: "fwmark:7".parse().unwrap(),
        scheduler: "mh".to_owned(),
        flags: ServiceFlags::PERSISTENT.with(ServiceFlags::HASHED),
        persistence_secs: 300,
        netmask: 0xffff_ff00,
        persistence_engine: Some("sip".to_owned()),
        stats: Stats::default(),
    };
    let key = "0600 0100 0200 0000 | 0800 0500 07000000";
    let rest = "0800 0800 2c010000 | 0800 0900 ffffff00 | 0800 0b00 73697000";
    assert_bytes(
        Request::add_service(&service),
        &format!(
            "54000000 1b00 0500 07000000 00000000 | 01 01 0000
             | 4000 0180 | {key} | 0700 0600 6d6800 00 | 0c00 0700 01000000 ffffffff | {rest}"
        ),
    );
    assert_bytes(
        Request::set_service(&service, ServiceFlags::SCHED1, ServiceFlags::SCHED1),
        &format!(
            "54000000 1b00 0500 07000000 00000000 | 02 01 0000
             | 4000 0180 | {key} | 0700 0600 6d6800 00 | 0c00 0700 08000000 08000000 | {rest}"
        ),
    );
}

#[test]
fn an_ipv6_netmask_is_a_prefix_length_in_host_order() {
    let service = Service {
        identity: "fwmark6:1".parse().unwrap(),
        scheduler: "rr".to_owned(),
        flags: ServiceFlags::default(),
        persistence_secs: 0,
        netmask: 64,
        persistence_engine: None,
        stats: Stats::default(),
    };
    let bytes = spelled(&Request::add_service(&service).bytes(FAMILY_NUMBER, 7));
    assert!(bytes.ends_with("0800090040000000"), "{bytes}");
}

#[test]
fn a_destination_is_sent_whole_with_its_tunnel_and_without_its_counters() {
    let expected = |command: &str| {
        format!(
            "a4000000 1b00 0500 07000000 00000000 | {command} 01 0000 {DNS}
             | 6000 0280 {SERVER}
               | 0800 0300 02000000 | 0800 0400 03000000 | 0800 0500 c8000000 | 0800 0600 64000000
               | 0500 0d00 01 000000 | 0600 0e00 17c0 0000 | 0600 0f00 0100 0000"
        )
    };
    assert_bytes(Request::add_destination(&dns(), &gue()), &expected("05"));
    assert_bytes(Request::set_destination(&dns(), &gue()), &expected("06"));
}

#[test]
fn only_a_tunnel_has_tunnel_options() {
    let direct = Destination {
        forwarding: Forwarding::DirectRoute,
        ..gue()
    };
    assert_bytes(
        Request::set_destination(&dns(), &direct),
        &format!(
            "8c000000 1b00 0500 07000000 00000000 | 06 01 0000 {DNS} | 4800 0280 {SERVER}
             | 0800 0300 03000000 | 0800 0400 03000000 | 0800 0500 c8000000 | 0800 0600 64000000"
        ),
    );
}

#[test]
fn removing_a_destination_sends_both_keys() {
    assert_bytes(
        Request::remove_destination(&dns(), &server()),
        &format!("6c000000 1b00 0500 07000000 00000000 | 07 01 0000 {DNS} | 2800 0280 {SERVER}"),
    );
}

#[test]
fn a_server_of_the_other_family_says_so() {
    let six = "[2001:db8::5]:53".parse().unwrap();
    assert_bytes(
        Request::remove_destination(&dns(), &six),
        &format!(
            "6c000000 1b00 0500 07000000 00000000 | 07 01 0000 {DNS}
             | 2800 0280 | 0600 0b00 0a00 0000 | 1400 0100 20010db8 00000000 00000000 00000005 | 0600 0200 0035 0000"
        ),
    );
}
