//! Frames of every kind that may arrive, and bytes that are none.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use ipvsdrain_ebpf::frame::{NoFlow, flow_key};
use ipvsdrain_ebpf::layout::FlowKey;
use proptest::prelude::*;

const UDP: u8 = 17;
const TCP: u8 = 6;
const SCTP: u8 = 132;

/// Ports 4660 and 53, and something after them.
const PORTS: [u8; 8] = [0x12, 0x34, 0, 53, 1, 2, 3, 4];

fn ethernet(tags: &[u16], kind: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    for tag in tags {
        frame.extend(tag.to_be_bytes());
        frame.extend([0, 10]);
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    frame
}

/// 10.9.0.2 to 10.0.0.1, with so many words of options.
fn ipv4(protocol: u8, options: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let words = 5 + options;
    let mut packet = vec![0x40 | words, 0, 0, 0, 0, 0];
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0, 10, 9, 0, 2, 10, 0, 0, 1]);
    packet.extend(vec![1; usize::from(options) * 4]);
    packet.extend(payload);
    packet
}

/// 2001:db8::2 to 2001:db8::1, with these headers in between.
fn ipv6(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, first, 64];
    for host in [2, 1] {
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    packet.extend(rest);
    packet
}

fn of(frame: &[u8]) -> Result<FlowKey, NoFlow> {
    flow_key(frame)
}

fn four(protocol: u8) -> FlowKey {
    FlowKey {
        client_addr: [u32::from_ne_bytes([10, 9, 0, 2]), 0, 0, 0],
        virtual_addr: [u32::from_ne_bytes([10, 0, 0, 1]), 0, 0, 0],
        client_port: 4660_u16.to_be(),
        virtual_port: 53_u16.to_be(),
        protocol: protocol.into(),
        family: 2,
    }
}

#[test]
fn an_ipv4_packet_of_each_protocol_is_its_flow() {
    for protocol in [UDP, TCP, SCTP] {
        let packet = ipv4(protocol, 0, 0, &PORTS);
        assert_eq!(of(&ethernet(&[], 0x0800, &packet)), Ok(four(protocol)));
    }
    assert_eq!(
        of(&ethernet(&[], 0x0800, &ipv4(1, 0, 0, &PORTS))),
        Err(NoFlow::Other),
        "ICMP"
    );
}

#[test]
fn options_and_tags_are_passed_over() {
    let packet = ipv4(UDP, 10, 0, &PORTS);
    for tags in [&[][..], &[0x8100], &[0x88a8, 0x8100], &[0x8100, 0x8100]] {
        assert_eq!(of(&ethernet(tags, 0x0800, &packet)), Ok(four(UDP)), "{tags:x?}");
    }
    assert_eq!(of(&ethernet(&[0x8100; 3], 0x0800, &packet)), Err(NoFlow::Other));
}

#[test]
fn only_the_first_fragment_is_a_packet() {
    for (fragment, expected) in [
        (0x2000, Ok(four(UDP))),
        (0x4000, Ok(four(UDP))),
        (0x2001, Err(NoFlow::Other)),
        (0x00b9, Err(NoFlow::Other)),
    ] {
        assert_eq!(
            of(&ethernet(&[], 0x0800, &ipv4(UDP, 0, fragment, &PORTS))),
            expected,
            "{fragment:x}"
        );
    }
    let six = |offset: u8| {
        let mut rest = vec![UDP, 0, 0, offset, 0, 0, 0, 9];
        rest.extend(PORTS);
        of(&ethernet(&[], 0x86dd, &ipv6(44, &rest)))
    };
    assert!(six(1).is_ok(), "the first, more follow");
    assert_eq!(six(8), Err(NoFlow::Other));
}

#[test]
fn an_ipv6_packet_is_found_behind_its_extension_headers() {
    let plain = of(&ethernet(&[], 0x86dd, &ipv6(UDP, &PORTS))).unwrap();
    assert_eq!(
        (plain.family, plain.protocol, plain.virtual_port),
        (10, 17, 53_u16.to_be())
    );
    assert_eq!(plain.client_addr[3].to_ne_bytes(), [0, 0, 0, 2]);
    let mut rest = vec![60, 1];
    rest.extend([0; 14]);
    rest.extend([UDP, 0, 0, 0, 0, 0, 0, 0]);
    rest.extend(PORTS);
    assert_eq!(of(&ethernet(&[], 0x86dd, &ipv6(0, &rest))), Ok(plain));
    assert_eq!(
        of(&ethernet(&[], 0x86dd, &ipv6(58, &PORTS))),
        Err(NoFlow::Other),
        "ICMPv6"
    );
}

#[test]
fn every_beginning_of_a_frame_is_short() {
    for whole in [
        ethernet(&[0x8100], 0x0800, &ipv4(UDP, 2, 0, &PORTS[..4])),
        ethernet(&[], 0x86dd, &ipv6(UDP, &PORTS[..4])),
    ] {
        assert!(of(&whole).is_ok());
        for length in 0..whole.len() {
            assert_eq!(of(&whole[..length]), Err(NoFlow::Short), "{length} bytes");
        }
    }
}

#[test]
fn what_is_no_ip_is_no_flow() {
    for (kind, first) in [(0x0806, 0x45), (0x0800, 0x65), (0x0800, 0x44), (0x86dd, 0x45)] {
        let mut packet = vec![0; 60];
        packet[0] = first;
        assert_eq!(
            of(&ethernet(&[], kind, &packet)),
            Err(NoFlow::Other),
            "{kind:x} {first:x}"
        );
    }
}

proptest! {
    #[test]
    fn whatever_the_bytes_are_there_is_an_answer(
        head in prop_oneof![Just(vec![]), Just(ethernet(&[], 0x0800, &[])), Just(ethernet(&[0x8100], 0x86dd, &[]))],
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let frame = [head, rest].concat();
        let _ = of(&frame);
    }
}
