//! The frames that are measured with: one of each kind that takes another way through the parser.

use ipvsdrain_ebpf::frame::flow_key;
use ipvsdrain_ebpf::layout::FlowKey;

const UDP: u8 = 17;
const TCP: u8 = 6;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;

/// Ports 4660 and 53, and a payload behind them.
const PORTS: [u8; 4] = [0x12, 0x34, 0, 53];
const PAYLOAD: usize = 60;

/// One frame, again and again.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    /// Its flow, if that is to be tracked.
    pub(super) tracked: Option<FlowKey>,
}

pub(super) fn cases() -> Vec<Case> {
    let case = |name, bytes: Vec<u8>, is_tracked: bool| Case {
        name,
        tracked: flow_key(bytes.as_slice()).ok().filter(|_| is_tracked),
        bytes,
    };
    // Each with a client of its own, so that no two are one flow.
    vec![
        case("ARP", ethernet(false, ARP, &[0; 46]), false),
        case(
            "UDP v4, no tracked flow",
            ethernet(false, IPV4, &ipv4(UDP, 2)),
            false,
        ),
        case("UDP v4", ethernet(false, IPV4, &ipv4(UDP, 3)), true),
        case("UDP v4, one VLAN tag", ethernet(true, IPV4, &ipv4(UDP, 4)), true),
        case("TCP v4", ethernet(false, IPV4, &ipv4(TCP, 5)), true),
        case("UDP v6", ethernet(false, IPV6, &ipv6(UDP, 6)), true),
    ]
}

/// To the address of a loopback, as which the kernel takes it in: to another one it would be a stranger's frame.
fn ethernet(has_tag: bool, kind: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    if has_tag {
        frame.extend([0x81, 0, 0, 10]);
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    frame
}

/// From 10.9.0.`host` to 10.0.0.1.
fn ipv4(protocol: u8, host: u8) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 84, 0, 0, 0, 0, 64, protocol, 0, 0];
    packet.extend([10, 9, 0, host, 10, 0, 0, 1]);
    packet.extend(PORTS);
    packet.extend([0; PAYLOAD]);
    packet
}

/// From 2001:db8:9::`host` to 2001:db8::1.
fn ipv6(protocol: u8, host: u8) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 64, protocol, 64];
    for (net, host) in [(9, host), (0, 1)] {
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, net, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    packet.extend(PORTS);
    packet.extend([0; PAYLOAD]);
    packet
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_frame_is_what_its_name_says() {
        let cases = cases();
        let tracked: Vec<FlowKey> = cases.iter().filter_map(|case| case.tracked).collect();
        let kinds: Vec<_> = tracked.iter().map(|key| (key.protocol, key.family)).collect();
        assert_eq!(kinds, [(17, 2), (17, 2), (6, 2), (17, 10)]);
        let clients: BTreeSet<_> = tracked.iter().map(|key| key.client_addr).collect();
        assert_eq!(clients.len(), tracked.len());
        assert!(flow_key(cases[0].bytes.as_slice()).is_err() && flow_key(cases[1].bytes.as_slice()).is_ok());
    }
}
