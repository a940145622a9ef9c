//! The numbers of the `IPVS` family: commands and attributes, as in `linux/ip_vs.h`.

// What the macro writes is public, whatever the enum is.
#![allow(unreachable_pub)]

use neli::consts::genl::{Cmd, NlAttrType};
use neli::neli_enum;

/// `IPVS_CMD_*`. A reply carries the `New` or `Set` command of what it shows.
#[neli_enum(serialized_type = "u8")]
pub(in crate::ipvs) enum Command {
    NewService = 1,
    SetService = 2,
    DelService = 3,
    GetService = 4,
    NewDest = 5,
    SetDest = 6,
    DelDest = 7,
    GetDest = 8,
    SetConfig = 12,
    GetConfig = 13,
    SetInfo = 14,
    GetInfo = 15,
}
impl Cmd for Command {}

/// `IPVS_CMD_ATTR_*`: the top of a message.
#[neli_enum(serialized_type = "u16")]
pub(super) enum Top {
    /// Nest of [`ServiceAttr`].
    Service = 1,
    /// Nest of [`DestAttr`].
    Dest = 2,
    /// u32, seconds.
    TimeoutTcp = 4,
    /// u32, seconds.
    TimeoutTcpFin = 5,
    /// u32, seconds.
    TimeoutUdp = 6,
}
impl NlAttrType for Top {}

/// `IPVS_SVC_ATTR_*`.
#[neli_enum(serialized_type = "u16")]
pub(super) enum ServiceAttr {
    /// u16, `AF_INET` or `AF_INET6`.
    Af = 1,
    /// u16, IP protocol number.
    Protocol = 2,
    /// 16 bytes; IPv4 in the first four.
    Addr = 3,
    /// u16, network order.
    Port = 4,
    /// u32; instead of protocol, address and port.
    Fwmark = 5,
    /// String with its NUL.
    SchedName = 6,
    /// u32 flags, u32 mask of the flags that are meant.
    Flags = 7,
    /// u32, seconds of persistence.
    Timeout = 8,
    /// IPv4: mask in network order. IPv6: prefix length, u32.
    Netmask = 9,
    /// Nest of [`StatsAttr`], packet counts as u32.
    Stats = 10,
    /// String with its NUL.
    PeName = 11,
    /// Nest of [`StatsAttr`], all u64.
    Stats64 = 12,
}
impl NlAttrType for ServiceAttr {}

/// `IPVS_DEST_ATTR_*`.
#[neli_enum(serialized_type = "u16")]
pub(super) enum DestAttr {
    /// 16 bytes; IPv4 in the first four.
    Addr = 1,
    /// u16, network order.
    Port = 2,
    /// u32, `IP_VS_CONN_F_FWD_MASK`.
    FwdMethod = 3,
    /// u32.
    Weight = 4,
    /// u32.
    UpperThreshold = 5,
    /// u32.
    LowerThreshold = 6,
    /// u32.
    ActiveConns = 7,
    /// u32.
    InactConns = 8,
    /// u32.
    PersistConns = 9,
    /// Nest of [`StatsAttr`], packet counts as u32.
    Stats = 10,
    /// u16; absent or 0 means the service's.
    AddrFamily = 11,
    /// Nest of [`StatsAttr`], all u64.
    Stats64 = 12,
    /// u8.
    TunType = 13,
    /// u16, network order.
    TunPort = 14,
    /// u16.
    TunFlags = 15,
}
impl NlAttrType for DestAttr {}

/// `IPVS_STATS_ATTR_*`.
#[neli_enum(serialized_type = "u16")]
pub(super) enum StatsAttr {
    Conns = 1,
    InPkts = 2,
    OutPkts = 3,
    InBytes = 4,
    OutBytes = 5,
    Cps = 6,
    InPps = 7,
    OutPps = 8,
    InBps = 9,
    OutBps = 10,
}
impl NlAttrType for StatsAttr {}

/// `IPVS_INFO_ATTR_*`, at the top of a [`Command::SetInfo`] message.
#[neli_enum(serialized_type = "u16")]
pub(super) enum InfoAttr {
    /// u32, 0x010201 is 1.2.1.
    Version = 1,
    /// u32, buckets.
    ConnTabSize = 2,
}
impl NlAttrType for InfoAttr {}
