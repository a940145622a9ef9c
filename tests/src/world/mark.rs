//! Marks on the director: packets that arrive for a port get a firewall mark, which a fwmark service balances.

use std::num::NonZeroU32;

use anyhow::Result;
use ipvsdrain::identity::{Family, Protocol};

use super::{Director, World};

impl Director {
    /// From now on packets of this family for `port` of the VIP carry `mark`. Needs `nftables/nft` in the guest.
    pub fn mark(&self, family: Family, protocol: Protocol, port: u16, mark: NonZeroU32) -> Result<()> {
        let (word, vip) = match family {
            Family::V4 => ("ip", World::vip(Family::V4)),
            Family::V6 => ("ip6", World::vip(Family::V6)),
        };
        let rules = format!(
            "table {word} marks {{\n\
             chain arriving {{ type filter hook prerouting priority mangle; }}\n\
             }}\n\
             add rule {word} marks arriving {word} daddr {vip} {protocol} dport {port} meta mark set {mark}\n"
        );
        self.machine().run("nft", &["-f", "-"], &rules).map(drop)
    }
}
