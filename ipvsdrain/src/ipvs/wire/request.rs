//! Requests as bytes. Each constructor is one thing that can be asked of IPVS.

use std::io::Cursor;
use std::net::{IpAddr, SocketAddr};

use neli::consts::genl::{Cmd, CtrlAttr, CtrlCmd, NlAttrType};
use neli::consts::nl::{GenlId, NlmF};
use neli::genl::{AttrTypeBuilder, GenlmsghdrBuilder, Nlattr, NlattrBuilder};
use neli::nl::{NlPayload, NlmsghdrBuilder};
use neli::types::{Buffer, GenlBuffer};
use neli::{Size, ToBytes, TypeSize};
use nix::libc::{AF_INET, AF_INET6};

use super::FAMILY;
use super::attribute::{Command, DestAttr, ServiceAttr, Top};
use crate::identity::{Family, RealServer, VirtualService};
use crate::ipvs::model::{Destination, Forwarding, Service, ServiceFlags, Timeouts, TunnelKind};

/// The version of the family that every kernel so far speaks.
const VERSION: u8 = 1;

/// A request that lacks only its address: family and sequence number.
#[derive(Debug)]
pub(in crate::ipvs) struct Request {
    command: Command,
    pub(in crate::ipvs) dump: bool,
    attributes: GenlBuffer<Top, Buffer>,
}

impl Request {
    fn new(command: Command, attributes: impl IntoIterator<Item = Nlattr<Top, Buffer>>) -> Self {
        Request {
            command,
            dump: false,
            attributes: attributes.into_iter().collect(),
        }
    }

    fn dump(command: Command, attributes: impl IntoIterator<Item = Nlattr<Top, Buffer>>) -> Self {
        Request {
            dump: true,
            ..Request::new(command, attributes)
        }
    }

    pub(in crate::ipvs) fn info() -> Self {
        Request::new(Command::GetInfo, [])
    }

    pub(in crate::ipvs) fn timeouts() -> Self {
        Request::new(Command::GetConfig, [])
    }

    pub(in crate::ipvs) fn set_timeouts(timeouts: &Timeouts) -> Self {
        let attributes = [
            number(Top::TimeoutTcp, timeouts.tcp_secs),
            number(Top::TimeoutTcpFin, timeouts.tcp_fin_secs),
            number(Top::TimeoutUdp, timeouts.udp_secs),
        ];
        Request::new(Command::SetConfig, attributes)
    }

    pub(in crate::ipvs) fn services() -> Self {
        Request::dump(Command::GetService, [])
    }

    pub(in crate::ipvs) fn service(service: &VirtualService) -> Self {
        Request::new(
            Command::GetService,
            [nest(Top::Service, &key_of_service(service))],
        )
    }

    pub(in crate::ipvs) fn add_service(service: &Service) -> Self {
        let flags = service.flags.without(ServiceFlags::HASHED);
        Request::new(
            Command::NewService,
            [nest(
                Top::Service,
                &whole_service(service, flags, ServiceFlags(u32::MAX)),
            )],
        )
    }

    /// Only the flags of `mask` change. The rest of the service is replaced by what `service` says, as the kernel
    /// knows no partial change.
    pub(in crate::ipvs) fn set_service(service: &Service, flags: ServiceFlags, mask: ServiceFlags) -> Self {
        Request::new(
            Command::SetService,
            [nest(Top::Service, &whole_service(service, flags, mask))],
        )
    }

    pub(in crate::ipvs) fn remove_service(service: &VirtualService) -> Self {
        Request::new(
            Command::DelService,
            [nest(Top::Service, &key_of_service(service))],
        )
    }

    pub(in crate::ipvs) fn destinations(service: &VirtualService) -> Self {
        Request::dump(Command::GetDest, [nest(Top::Service, &key_of_service(service))])
    }

    pub(in crate::ipvs) fn add_destination(service: &VirtualService, destination: &Destination) -> Self {
        Request::destination(Command::NewDest, service, &whole_destination(destination))
    }

    /// Replaces everything that is configured about a destination: what is left out would be reset.
    pub(in crate::ipvs) fn set_destination(service: &VirtualService, destination: &Destination) -> Self {
        Request::destination(Command::SetDest, service, &whole_destination(destination))
    }

    pub(in crate::ipvs) fn remove_destination(service: &VirtualService, server: &RealServer) -> Self {
        Request::destination(Command::DelDest, service, &key_of_destination(server))
    }

    fn destination(
        command: Command,
        service: &VirtualService,
        destination: &[Nlattr<DestAttr, Buffer>],
    ) -> Self {
        Request::new(
            command,
            [
                nest(Top::Service, &key_of_service(service)),
                nest(Top::Dest, destination),
            ],
        )
    }

    /// The whole message. Everything but a dump asks for an acknowledgement, so that each answer has a clear end.
    pub(in crate::ipvs) fn bytes(self, family: u16, sequence: u32) -> Vec<u8> {
        let flags = NlmF::REQUEST | if self.dump { NlmF::DUMP } else { NlmF::ACK };
        message(family, flags, sequence, self.command, VERSION, self.attributes)
    }
}

/// Asks generic netlink for the number of the family, which differs from boot to boot.
pub(in crate::ipvs) fn family_request(sequence: u32) -> Vec<u8> {
    let name = [text(CtrlAttr::FamilyName, FAMILY)].into_iter().collect();
    message(
        GenlId::Ctrl.into(),
        NlmF::REQUEST | NlmF::ACK,
        sequence,
        CtrlCmd::Getfamily,
        2,
        name,
    )
}

fn message<C, A>(
    family: u16,
    flags: NlmF,
    sequence: u32,
    command: C,
    version: u8,
    attributes: GenlBuffer<A, Buffer>,
) -> Vec<u8>
where
    C: Cmd,
    A: NlAttrType + Size + TypeSize,
{
    let generic = GenlmsghdrBuilder::default()
        .cmd(command)
        .version(version)
        .attrs(attributes)
        .build()
        .expect("command and version are given");
    let message = NlmsghdrBuilder::default()
        .nl_type(family)
        .nl_flags(flags)
        .nl_seq(sequence)
        .nl_payload(NlPayload::Payload(generic))
        .build()
        .expect("type, flags and payload are given");
    let mut bytes = Cursor::new(Vec::with_capacity(message.padded_size()));
    message.to_bytes(&mut bytes).expect("memory takes any message");
    bytes.into_inner()
}

/// What the kernel finds a service by.
fn key_of_service(service: &VirtualService) -> Vec<Nlattr<ServiceAttr, Buffer>> {
    let mut key = vec![short(ServiceAttr::Af, address_family(service.family()))];
    match service {
        VirtualService::Fwmark { mark, .. } => key.push(number(ServiceAttr::Fwmark, mark.get())),
        VirtualService::Address { protocol, addr } => {
            key.push(short(ServiceAttr::Protocol, u16::from(protocol.number())));
            key.push(address(ServiceAttr::Addr, addr));
            key.push(port(ServiceAttr::Port, addr.port()));
        }
    }
    key
}

/// `flags` apart from the service's own: a change names only the bits it means.
pub(super) fn whole_service(
    service: &Service,
    flags: ServiceFlags,
    mask: ServiceFlags,
) -> Vec<Nlattr<ServiceAttr, Buffer>> {
    let netmask = match service.identity.family() {
        Family::V4 => service.netmask.to_be_bytes(),
        Family::V6 => service.netmask.to_ne_bytes(),
    };
    let mut attributes = key_of_service(&service.identity);
    attributes.extend([
        text(ServiceAttr::SchedName, &service.scheduler),
        bytes(
            ServiceAttr::Flags,
            [flags.0.to_ne_bytes(), mask.0.to_ne_bytes()].concat(),
        ),
        number(ServiceAttr::Timeout, service.persistence_secs),
        bytes(ServiceAttr::Netmask, netmask.to_vec()),
    ]);
    if let Some(engine) = &service.persistence_engine {
        attributes.push(text(ServiceAttr::PeName, engine));
    }
    attributes
}

/// What the kernel finds a destination by, within its service. The family is always said: it may differ from the
/// service's.
fn key_of_destination(RealServer(addr): &RealServer) -> Vec<Nlattr<DestAttr, Buffer>> {
    vec![
        short(DestAttr::AddrFamily, address_family(Family::of(addr.ip()))),
        address(DestAttr::Addr, addr),
        port(DestAttr::Port, addr.port()),
    ]
}

pub(super) fn whole_destination(destination: &Destination) -> Vec<Nlattr<DestAttr, Buffer>> {
    let method: u32 = match destination.forwarding {
        Forwarding::Masquerade => 0,
        Forwarding::Local => 1,
        Forwarding::Tunnel(_) => 2,
        Forwarding::DirectRoute => 3,
        Forwarding::Bypass => 4,
    };
    let mut attributes = key_of_destination(&destination.server);
    attributes.extend([
        number(DestAttr::FwdMethod, method),
        number(DestAttr::Weight, destination.weight),
        number(DestAttr::UpperThreshold, destination.upper_threshold),
        number(DestAttr::LowerThreshold, destination.lower_threshold),
    ]);
    if let Forwarding::Tunnel(tunnel) = destination.forwarding {
        let kind = match tunnel.kind {
            TunnelKind::Ipip => 0,
            TunnelKind::Gue => 1,
            TunnelKind::Gre => 2,
        };
        attributes.extend([
            bytes(DestAttr::TunType, vec![kind]),
            port(DestAttr::TunPort, tunnel.port),
            short(DestAttr::TunFlags, tunnel.flags),
        ]);
    }
    attributes
}

/// `AF_*` as the wire has it.
pub(super) fn address_family(family: Family) -> u16 {
    let number = match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    };
    u16::try_from(number).expect("address families are small numbers")
}

fn address<A: NlAttrType>(attribute: A, addr: &SocketAddr) -> Nlattr<A, Buffer> {
    let mut octets = [0; 16];
    match addr.ip() {
        IpAddr::V4(ip) => octets[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => octets = ip.octets(),
    }
    bytes(attribute, octets.to_vec())
}

fn port<A: NlAttrType>(attribute: A, port: u16) -> Nlattr<A, Buffer> {
    bytes(attribute, port.to_be_bytes().to_vec())
}

fn short<A: NlAttrType>(attribute: A, number: u16) -> Nlattr<A, Buffer> {
    bytes(attribute, number.to_ne_bytes().to_vec())
}

pub(super) fn number<A: NlAttrType>(attribute: A, number: u32) -> Nlattr<A, Buffer> {
    bytes(attribute, number.to_ne_bytes().to_vec())
}

#[cfg(test)]
pub(super) fn wide<A: NlAttrType>(attribute: A, number: u64) -> Nlattr<A, Buffer> {
    bytes(attribute, number.to_ne_bytes().to_vec())
}

fn text<A: NlAttrType>(attribute: A, text: &str) -> Nlattr<A, Buffer> {
    bytes(attribute, [text.as_bytes(), &[0]].concat())
}

fn bytes<A: NlAttrType>(attribute: A, payload: Vec<u8>) -> Nlattr<A, Buffer> {
    let number = AttrTypeBuilder::default()
        .nla_type(attribute)
        .build()
        .expect("the number is given");
    NlattrBuilder::default()
        .nla_type(number)
        .nla_payload(Buffer::from(payload))
        .build()
        .expect("number and payload are given")
}

pub(super) fn nest<A: NlAttrType, B: NlAttrType>(
    attribute: A,
    inner: &[Nlattr<B, Buffer>],
) -> Nlattr<A, Buffer> {
    inner
        .iter()
        .fold(bytes(attribute, Vec::new()), |outer, attribute| {
            outer.nest(attribute).expect("memory takes any attribute")
        })
}
