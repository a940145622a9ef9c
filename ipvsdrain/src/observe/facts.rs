//! What the observer has to know about the running kernel, as plain values: [`super::host`] collects them,
//! [`super::plan`] judges them.

use std::collections::BTreeMap;

/// The structs whose members the programs read.
pub(super) const STRUCTS: [&str; 5] = ["ip_vs_conn", "ip_vs_dest", "netns_ipvs", "net", "ns_common"];

/// The one function that is traced.
pub(super) const TRACED: &str = "ip_vs_conn_put";

/// Every function `ip_vs_conn.packet_xmit` may point to, in 5.10 to 7.2; compared in this order, the usual ones first.
pub(super) const XMITS: [&str; 9] = [
    "ip_vs_dr_xmit",
    "ip_vs_nat_xmit",
    "ip_vs_tunnel_xmit",
    "ip_vs_dr_xmit_v6",
    "ip_vs_nat_xmit_v6",
    "ip_vs_tunnel_xmit_v6",
    "ip_vs_null_xmit",
    "ip_vs_bypass_xmit",
    "ip_vs_bypass_xmit_v6",
];

/// Where a member lies in its struct and how large it is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) offset: u32,
    pub(super) size: u32,
}

/// The named members of one struct; those of anonymous structs and unions inside count as its own.
pub(super) type Members = BTreeMap<String, Member>;

/// The type of [`TRACED`] in the running kernel's own type information.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FunctionType {
    /// Its number there.
    pub(super) id: u32,
    /// Whether that is the type information of the module `ip_vs`, not of the kernel proper.
    pub(super) is_of_module: bool,
}

/// One kernel, as far as it concerns the observer.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// By struct name; those of [`STRUCTS`] that exist.
    pub(super) structs: BTreeMap<String, Members>,
    /// Addresses of those of [`XMITS`] and [`TRACED`] that exist.
    pub(super) functions: BTreeMap<String, u64>,
    /// `None` where type information was read from elsewhere, or describes no such function.
    pub(super) traced: Option<FunctionType>,
    /// The inode number of the network namespace whose IPVS is observed.
    pub(super) network: u32,
}
