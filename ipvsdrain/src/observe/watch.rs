//! How a service and a server are named to the programs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipvsdrain_ebpf::accounting::{Place, RING_SECONDS};
use ipvsdrain_ebpf::layout::{DestKey, Flow, FlowKey, Watch};

use super::seed::Entry;
use crate::identity::{Family, RealServer, VirtualService};
use crate::moment::Moment;

/// A flow silent for this long lies in no ring any more.
pub(super) const FORGET_AFTER: Duration = Duration::from_secs(RING_SECONDS as u64);

const AF_INET: u16 = 2;
pub(super) const AF_INET6: u16 = 10;

/// The key the programs build from the kernel's `struct ip_vs_dest`: network order, unused parts zero.
pub(super) fn dest_key(service: &VirtualService, server: &RealServer) -> DestKey {
    let mut key = DestKey {
        service_family: family(service.family()),
        server_family: family(Family::of(server.0.ip())),
        server_addr: words(server.0.ip()),
        server_port: server.0.port().to_be(),
        ..DestKey::default()
    };
    match service {
        VirtualService::Address { protocol, addr } => {
            key.protocol = u16::from(protocol.number());
            key.virtual_addr = words(addr.ip());
            key.virtual_port = addr.port().to_be();
        }
        VirtualService::Fwmark { mark, .. } => key.fwmark = mark.get(),
    }
    key
}

const fn family(family: Family) -> u16 {
    match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    }
}

/// An address as it lies in memory, in words of 4 bytes.
pub(super) fn words(addr: IpAddr) -> [u32; 4] {
    match addr {
        IpAddr::V4(addr) => [u32::from_ne_bytes(addr.octets()), 0, 0, 0],
        IpAddr::V6(addr) => {
            let mut words = [0; 4];
            for (word, bytes) in words.iter_mut().zip(addr.octets().as_chunks::<4>().0) {
                *word = u32::from_ne_bytes(*bytes);
            }
            words
        }
    }
}

/// A client's 5-tuple, as the programs keep it.
pub(super) fn flow_key(protocol: u16, client: SocketAddr, virtual_addr: SocketAddr) -> FlowKey {
    FlowKey {
        client_addr: words(client.ip()),
        virtual_addr: words(virtual_addr.ip()),
        client_port: client.port().to_be(),
        virtual_port: virtual_addr.port().to_be(),
        protocol,
        family: family(Family::of(client.ip())),
    }
}

/// A connection of the kernel's table as a flow of `watch`, taken for alive at `now`. `None` for a protocol that is not
/// tracked.
pub(super) fn seeded(entry: &Entry, watch: Watch, now: Moment) -> Option<(FlowKey, Flow<u64>)> {
    let protocol = u16::from(entry.protocol?.number());
    let second = u32::try_from(now.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX);
    let flow = Flow {
        place: Place::at(watch, entry.class, second).bits(),
        first_seen: now.as_nanos(),
        last_seen: now.as_nanos(),
        state: u64::from(entry.state),
        ..Flow::default()
    };
    Some((flow_key(protocol, entry.client, entry.virtual_addr), flow))
}

/// An address and a port as the programs keep them, read back.
pub(super) fn socket_addr(words: [u32; 4], port: u16, family: u16) -> SocketAddr {
    let addr = if family == AF_INET6 {
        let mut octets = [0; 16];
        for (bytes, word) in octets.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = word.to_ne_bytes();
        }
        IpAddr::V6(Ipv6Addr::from(octets))
    } else {
        IpAddr::V4(Ipv4Addr::from(words[0].to_ne_bytes()))
    };
    SocketAddr::new(addr, u16::from_be(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lies_in_memory_as_the_kernel_keeps_it() {
        let service = "udp:10.0.0.1:53".parse().unwrap();
        let key = dest_key(&service, &"10.1.0.5:5353".parse().unwrap());
        assert_eq!(key.virtual_addr[0].to_ne_bytes(), [10, 0, 0, 1]);
        assert_eq!(key.server_addr[0].to_ne_bytes(), [10, 1, 0, 5]);
        assert_eq!(key.server_port.to_ne_bytes(), [0x14, 0xe9]);
        assert_eq!((key.protocol, key.virtual_port.to_ne_bytes()), (17, [0, 53]));
        assert_eq!((key.service_family, key.server_family), (2, 2));
    }

    #[test]
    fn addresses_read_back_as_they_were() {
        for text in ["10.0.0.1:53", "[2001:db8::1:2]:443"] {
            let addr: SocketAddr = text.parse().unwrap();
            let family = family(Family::of(addr.ip()));
            assert_eq!(socket_addr(words(addr.ip()), addr.port().to_be(), family), addr);
        }
    }

    #[test]
    fn a_fwmark_service_is_its_mark_and_family_alone() {
        let key = dest_key(&"fwmark6:7".parse().unwrap(), &"10.1.0.5:0".parse().unwrap());
        assert_eq!(
            (key.fwmark, key.protocol, key.virtual_port, key.virtual_addr),
            (7, 0, 0, [0; 4])
        );
        assert_eq!((key.service_family, key.server_family), (10, 2));
    }
}
