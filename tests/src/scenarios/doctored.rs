//! Type information in which a member that the observer reads has another name: a kernel the probe cannot be made for.

use anyhow::{Result, bail};

/// Kernels before 5.11 have none.
pub(super) const MODULE_BTF: &str = "/sys/kernel/btf/ip_vs";

/// Members that the observer reads. A kernel keeps a name in the module's own type information only if nothing
/// outside of the module uses it; which of these that holds for changes from one kernel to the next.
const MEMBERS: [&str; 3] = ["in_pkts", "vfwmark", "packet_xmit"];

/// The same bytes with the last letter of one member changed, and the member's right name.
pub(super) fn renamed(btf: &[u8]) -> Result<(Vec<u8>, &'static str)> {
    for member in MEMBERS {
        let name = format!("\0{member}\0").into_bytes();
        if let Some(place) = btf.windows(name.len()).position(|window| window == name) {
            let mut doctored = btf.to_vec();
            doctored[place + member.len()] = b'X';
            return Ok((doctored, member));
        }
    }
    bail!("{MODULE_BTF} has none of the names {MEMBERS:?}")
}
