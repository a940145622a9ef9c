//! Whether the calling thread may load tracing programs, asked before anything is tried.
//!
//! aya finds out what the kernel can do by trying, once per process: a first try without rights would make it
//! believe for good that the kernel can do little.

use std::fs;
use std::io;
use std::path::PathBuf;

use nix::libc::EPERM;

use super::error::ObserveError;

const STATUS: &str = "/proc/thread-self/status";

/// Bits of a capability set, from `include/uapi/linux/capability.h`.
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// Refuses if `CAP_BPF` or `CAP_PERFMON` is missing (`CAP_SYS_ADMIN` stands for both).
pub(super) fn check() -> Result<(), ObserveError> {
    let status = fs::read_to_string(STATUS).map_err(|source| ObserveError::Unreadable {
        what: "the thread's capabilities",
        path: PathBuf::from(STATUS),
        source,
    })?;
    if may_trace(&status) {
        return Ok(());
    }
    let source = io::Error::from_raw_os_error(EPERM);
    Err(ObserveError::Permission {
        operation: "loading eBPF programs",
        source,
    })
}

/// The effective set, one bit for each capability, in the words of a `status` file of `/proc`.
pub fn effective(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

fn may_trace(status: &str) -> bool {
    let effective = effective(status).unwrap_or(0);
    let has = |capability| effective & capability != 0;
    has(CAP_SYS_ADMIN) || (has(CAP_BPF) && has(CAP_PERFMON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_capabilities_or_the_old_one_suffice() {
        for (set, may) in [
            ("000001ffffffffff", true),
            ("0000000000200000", true),
            ("000000c000000000", true),
            ("0000008000000000", false),
            ("0000004000000000", false),
            ("0000000000000000", false),
        ] {
            assert_eq!(
                may_trace(&format!("Name:\tx\nCapPrm:\t0\nCapEff:\t{set}\nCapBnd:\t0\n")),
                may,
                "{set}"
            );
        }
        assert!(!may_trace("Name:\tx\n"));
    }
}
