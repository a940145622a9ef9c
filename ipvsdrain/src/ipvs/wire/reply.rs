//! Replies as values: the attributes of one message in, one service, destination or setting out.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use neli::consts::genl::CtrlAttr;

use super::attribute::{DestAttr, InfoAttr, ServiceAttr, StatsAttr, Top};
use super::fields::Fields;
use super::request::address_family;
use crate::identity::{Family, Protocol, RealServer, VirtualService};
use crate::ipvs::error::Error;
use crate::ipvs::model::{
    Destination, Forwarding, Info, Service, ServiceFlags, Stats, Timeouts, Tunnel, TunnelKind,
};

/// The bits of a forwarding method that name the method (`IP_VS_CONN_F_FWD_MASK`).
const FORWARDING: u32 = 0x7;

/// The family's number, from generic netlink's own reply.
pub(in crate::ipvs) fn family_id(attributes: &[u8]) -> Result<u16, Error> {
    Fields::read("generic netlink family", attributes)?.u16(CtrlAttr::FamilyId)
}

pub(in crate::ipvs) fn info(attributes: &[u8]) -> Result<Info, Error> {
    let fields = Fields::read("IPVS info", attributes)?;
    let [_, major, minor, patch] = fields.u32(InfoAttr::Version)?.to_be_bytes();
    Ok(Info {
        version: (major, minor, patch),
        connection_table_size: fields.u32(InfoAttr::ConnTabSize)?,
    })
}

pub(in crate::ipvs) fn timeouts(attributes: &[u8]) -> Result<Timeouts, Error> {
    let fields = Fields::read("IPVS timeouts", attributes)?;
    // A kernel built without TCP or UDP for IPVS leaves theirs out.
    let seconds = |attribute| Ok(fields.find_u32(attribute)?.unwrap_or(0));
    Ok(Timeouts {
        tcp_secs: seconds(Top::TimeoutTcp)?,
        tcp_fin_secs: seconds(Top::TimeoutTcpFin)?,
        udp_secs: seconds(Top::TimeoutUdp)?,
    })
}

pub(in crate::ipvs) fn service(attributes: &[u8]) -> Result<Service, Error> {
    let fields = Fields::read(
        "virtual service",
        Fields::read("virtual service", attributes)?.get(Top::Service)?,
    )?;
    let number = fields.u16(ServiceAttr::Af)?;
    let family = family(number)
        .ok_or_else(|| fields.malformed(ServiceAttr::Af, format!("{number} is no address family")))?;
    Ok(Service {
        identity: identity(&fields, family)?,
        scheduler: fields.text(ServiceAttr::SchedName)?,
        // The mask behind the flags only means something in requests.
        flags: ServiceFlags(fields.u32(ServiceAttr::Flags)?),
        persistence_secs: fields.u32(ServiceAttr::Timeout)?,
        netmask: match family {
            Family::V4 => fields.u32_be(ServiceAttr::Netmask)?,
            Family::V6 => fields.u32(ServiceAttr::Netmask)?,
        },
        persistence_engine: fields.find_text(ServiceAttr::PeName)?,
        stats: stats(&fields, ServiceAttr::Stats64, ServiceAttr::Stats)?,
    })
}

fn identity(fields: &Fields<'_, ServiceAttr>, family: Family) -> Result<VirtualService, Error> {
    if let Some(mark) = fields.find_u32(ServiceAttr::Fwmark)?.and_then(NonZeroU32::new) {
        return Ok(VirtualService::Fwmark { mark, family });
    }
    let number = fields.u16(ServiceAttr::Protocol)?;
    let protocol = Protocol::from_number(number).ok_or_else(|| {
        fields.malformed(
            ServiceAttr::Protocol,
            format!("{number} is no protocol that IPVS balances"),
        )
    })?;
    let addr = SocketAddr::new(
        fields.address(ServiceAttr::Addr, family)?,
        fields.port(ServiceAttr::Port)?,
    );
    Ok(VirtualService::Address { protocol, addr })
}

/// A destination of a service of `service_family`.
pub(in crate::ipvs) fn destination(service_family: Family, attributes: &[u8]) -> Result<Destination, Error> {
    let fields = Fields::read(
        "real server",
        Fields::read("real server", attributes)?.get(Top::Dest)?,
    )?;
    let family = match fields.find_u16(DestAttr::AddrFamily)? {
        None | Some(0) => service_family,
        Some(number) => family(number).ok_or_else(|| {
            fields.malformed(DestAttr::AddrFamily, format!("{number} is no address family"))
        })?,
    };
    let addr = SocketAddr::new(
        fields.address(DestAttr::Addr, family)?,
        fields.port(DestAttr::Port)?,
    );
    Ok(Destination {
        server: RealServer(addr),
        forwarding: forwarding(&fields)?,
        weight: fields.u32(DestAttr::Weight)?,
        upper_threshold: fields.u32(DestAttr::UpperThreshold)?,
        lower_threshold: fields.u32(DestAttr::LowerThreshold)?,
        active: fields.u32(DestAttr::ActiveConns)?,
        inactive: fields.u32(DestAttr::InactConns)?,
        persistent: fields.u32(DestAttr::PersistConns)?,
        stats: stats(&fields, DestAttr::Stats64, DestAttr::Stats)?,
    })
}

fn forwarding(fields: &Fields<'_, DestAttr>) -> Result<Forwarding, Error> {
    Ok(match fields.u32(DestAttr::FwdMethod)? & FORWARDING {
        0 => Forwarding::Masquerade,
        1 => Forwarding::Local,
        2 => Forwarding::Tunnel(Tunnel {
            kind: match fields.find_u8(DestAttr::TunType)? {
                None | Some(0) => TunnelKind::Ipip,
                Some(1) => TunnelKind::Gue,
                Some(2) => TunnelKind::Gre,
                // Writing such a server back would change its tunnel, so it is not shown as one of the known kinds.
                Some(kind) => {
                    return Err(fields.malformed(DestAttr::TunType, format!("tunnel type {kind} is unknown")));
                }
            },
            port: fields.find_port(DestAttr::TunPort)?.unwrap_or(0),
            flags: fields.find_u16(DestAttr::TunFlags)?.unwrap_or(0),
        }),
        3 => Forwarding::DirectRoute,
        4 => Forwarding::Bypass,
        method => {
            return Err(fields.malformed(
                DestAttr::FwdMethod,
                format!("forwarding method {method} is unknown"),
            ));
        }
    })
}

/// The wide counters where the kernel has them, else the narrow ones, which wrap at 2^32.
fn stats<A: Into<u16> + Copy + std::fmt::Debug>(
    fields: &Fields<'_, A>,
    wide: A,
    narrow: A,
) -> Result<Stats, Error> {
    let nest = match fields.find(wide) {
        Some(nest) => nest,
        None => fields.get(narrow)?,
    };
    let counters = Fields::read("statistics", nest)?;
    Ok(Stats {
        connections: counters.counter(StatsAttr::Conns)?,
        packets_in: counters.counter(StatsAttr::InPkts)?,
        packets_out: counters.counter(StatsAttr::OutPkts)?,
        bytes_in: counters.counter(StatsAttr::InBytes)?,
        bytes_out: counters.counter(StatsAttr::OutBytes)?,
        connections_per_sec: counters.counter(StatsAttr::Cps)?,
        packets_in_per_sec: counters.counter(StatsAttr::InPps)?,
        packets_out_per_sec: counters.counter(StatsAttr::OutPps)?,
        bytes_in_per_sec: counters.counter(StatsAttr::InBps)?,
        bytes_out_per_sec: counters.counter(StatsAttr::OutBps)?,
    })
}

fn family(number: u16) -> Option<Family> {
    [Family::V4, Family::V6]
        .into_iter()
        .find(|family| address_family(*family) == number)
}
