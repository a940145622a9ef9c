//! What is written reads back as itself, and whatever bytes come, reading them ends with a value or an error.

use neli::consts::genl::NlAttrType;
use neli::genl::Nlattr;
use neli::types::{Buffer, GenlBuffer};
use neli::{Size, ToBytes};
use proptest::prelude::*;

use super::attribute::{DestAttr, ServiceAttr, StatsAttr, Top};
use super::request::{nest, number, whole_destination, whole_service, wide};
use super::{Collector, destination, family_id, info, service, timeouts};
use crate::identity::{Family, Protocol, RealServer, VirtualService};
use crate::ipvs::error::Error;
use crate::ipvs::model::{Destination, Forwarding, Service, ServiceFlags, Stats, Tunnel, TunnelKind};

fn any_service_name() -> impl Strategy<Value = VirtualService> {
    prop_oneof![
        (
            prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)],
            any_addr()
        )
            .prop_map(|(protocol, addr)| VirtualService::Address { protocol, addr }),
        (any_mark(), prop_oneof![Just(Family::V4), Just(Family::V6)])
            .prop_map(|(mark, family)| VirtualService::Fwmark { mark, family }),
    ]
}

fn any_mark() -> impl Strategy<Value = std::num::NonZeroU32> {
    (1..=u32::MAX).prop_filter_map("a mark is not 0", std::num::NonZeroU32::new)
}

/// Scope and flow label of an IPv6 socket address are not IPVS's.
fn any_addr() -> impl Strategy<Value = std::net::SocketAddr> {
    any::<(std::net::IpAddr, u16)>().prop_map(std::net::SocketAddr::from)
}

fn any_stats() -> impl Strategy<Value = Stats> {
    any::<[u64; 10]>().prop_map(|[a, b, c, d, e, f, g, h, i, j]| Stats {
        connections: a,
        packets_in: b,
        packets_out: c,
        bytes_in: d,
        bytes_out: e,
        connections_per_sec: f,
        packets_in_per_sec: g,
        packets_out_per_sec: h,
        bytes_in_per_sec: i,
        bytes_out_per_sec: j,
    })
}

fn any_forwarding() -> impl Strategy<Value = Forwarding> {
    let kinds = prop_oneof![
        Just(TunnelKind::Ipip),
        Just(TunnelKind::Gue),
        Just(TunnelKind::Gre)
    ];
    prop_oneof![
        Just(Forwarding::Masquerade),
        Just(Forwarding::Local),
        Just(Forwarding::DirectRoute),
        Just(Forwarding::Bypass),
        (kinds, any::<u16>(), any::<u16>()).prop_map(|(kind, port, flags)| Forwarding::Tunnel(Tunnel {
            kind,
            port,
            flags
        })),
    ]
}

prop_compose! {
    fn any_service()(
        identity in any_service_name(),
        scheduler in "[a-z]{1,15}",
        flags in any::<u32>(),
        persistence_secs in any::<u32>(),
        netmask in any::<u32>(),
        persistence_engine in proptest::option::of("[a-z]{1,15}"),
        stats in any_stats(),
    ) -> Service {
        let flags = ServiceFlags(flags);
        Service { identity, scheduler, flags, persistence_secs, netmask, persistence_engine, stats }
    }
}

prop_compose! {
    fn any_destination()(
        server in any_addr().prop_map(RealServer),
        forwarding in any_forwarding(),
        [weight, upper_threshold, lower_threshold, active, inactive, persistent] in any::<[u32; 6]>(),
        stats in any_stats(),
    ) -> Destination {
        Destination {
            server, forwarding, weight, upper_threshold, lower_threshold, active, inactive, persistent, stats,
        }
    }
}

fn stats_nest<A: NlAttrType>(attribute: A, stats: &Stats) -> Nlattr<A, Buffer> {
    let counters = [
        (StatsAttr::Conns, stats.connections),
        (StatsAttr::InPkts, stats.packets_in),
        (StatsAttr::OutPkts, stats.packets_out),
        (StatsAttr::InBytes, stats.bytes_in),
        (StatsAttr::OutBytes, stats.bytes_out),
        (StatsAttr::Cps, stats.connections_per_sec),
        (StatsAttr::InPps, stats.packets_in_per_sec),
        (StatsAttr::OutPps, stats.packets_out_per_sec),
        (StatsAttr::InBps, stats.bytes_in_per_sec),
        (StatsAttr::OutBps, stats.bytes_out_per_sec),
    ];
    nest(
        attribute,
        &counters.map(|(attribute, count)| wide(attribute, count)),
    )
}

fn payload(attributes: impl IntoIterator<Item = Nlattr<Top, Buffer>>) -> Vec<u8> {
    let attributes: GenlBuffer<Top, Buffer> = attributes.into_iter().collect();
    let mut bytes = std::io::Cursor::new(Vec::with_capacity(attributes.padded_size()));
    attributes.to_bytes(&mut bytes).unwrap();
    bytes.into_inner()
}

/// A request's own attributes with those that only the kernel adds.
fn shown_service(shown: &Service) -> Vec<u8> {
    let configured = whole_service(shown, shown.flags, ServiceFlags(u32::MAX));
    let counters = [stats_nest(ServiceAttr::Stats64, &shown.stats)];
    payload([nest(Top::Service, &[configured, counters.to_vec()].concat())])
}

fn shown_destination(shown: &Destination) -> Vec<u8> {
    let counters = [
        number(DestAttr::ActiveConns, shown.active),
        number(DestAttr::InactConns, shown.inactive),
        number(DestAttr::PersistConns, shown.persistent),
        stats_nest(DestAttr::Stats64, &shown.stats),
    ];
    payload([nest(
        Top::Dest,
        &[whole_destination(shown), counters.to_vec()].concat(),
    )])
}

proptest! {
    #[test]
    fn a_service_reads_back_as_itself(shown in any_service()) {
        prop_assert_eq!(service(&shown_service(&shown)).unwrap(), shown);
    }

    #[test]
    fn a_destination_reads_back_as_itself(shown in any_destination()) {
        for family in [Family::V4, Family::V6] {
            prop_assert_eq!(destination(family, &shown_destination(&shown)).unwrap(), shown.clone());
        }
    }

    /// Cut anywhere: a value only if all of it is there.
    #[test]
    fn a_cut_destination_is_malformed(shown in any_destination(), cut in any::<prop::sample::Index>()) {
        let whole = shown_destination(&shown);
        let cut = &whole[..cut.index(whole.len())];
        let malformed = matches!(destination(Family::V4, cut), Err(Error::Malformed { .. }));
        prop_assert!(malformed);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = service(&bytes);
        let _ = destination(Family::V4, &bytes);
        let _ = destination(Family::V6, &bytes);
        let _ = info(&bytes);
        let _ = timeouts(&bytes);
        let _ = family_id(&bytes);
        let _ = Collector::new(0x1b, 1, 1, true).take(&bytes);
    }

    /// Random bytes rarely get past the first length, so real messages are bent as well.
    #[test]
    fn no_bent_message_makes_a_reader_panic(
        shown in (any_service(), any_destination()),
        bends in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut messages = [shown_service(&shown.0), shown_destination(&shown.1)];
        for bytes in &mut messages {
            for (at, value) in &bends {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
        }
        let _ = service(&messages[0]);
        let _ = destination(Family::V4, &messages[1]);
    }
}

#[test]
fn unknown_attributes_are_passed_over() {
    let mut bytes = shown_destination(&sample());
    bytes.extend([8, 0, 99, 0, 1, 2, 3, 4]);
    assert_eq!(destination(Family::V4, &bytes).unwrap(), sample());
}

#[test]
fn without_a_family_a_destination_is_of_its_services() {
    let mut shown = sample();
    shown.server = "[2001:db8::5]:53".parse().unwrap();
    let mut attributes = whole_destination(&shown);
    attributes.retain(|attribute| *attribute.nla_type().nla_type() != DestAttr::AddrFamily);
    let counters = [
        number(DestAttr::ActiveConns, 0),
        number(DestAttr::InactConns, 0),
        number(DestAttr::PersistConns, 0),
        stats_nest(DestAttr::Stats64, &shown.stats),
    ];
    let bytes = payload([nest(Top::Dest, &[attributes, counters.to_vec()].concat())]);
    assert_eq!(destination(Family::V6, &bytes).unwrap().server, shown.server);
}

#[test]
fn a_missing_counter_is_an_error_and_never_zero() {
    let bytes = payload([nest(Top::Dest, &whole_destination(&sample()))]);
    let said = destination(Family::V4, &bytes).unwrap_err().to_string();
    assert!(
        said.contains("real server") && said.contains("ActiveConns") && said.contains("missing"),
        "{said}"
    );
}

fn sample() -> Destination {
    Destination {
        server: "10.1.0.5:53".parse().unwrap(),
        forwarding: Forwarding::Masquerade,
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
        active: 0,
        inactive: 0,
        persistent: 0,
        stats: Stats::default(),
    }
}
