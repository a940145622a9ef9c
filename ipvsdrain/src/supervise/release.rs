//! What the version of the running kernel decides, where nothing else tells.

use nix::sys::utsname::uname;

/// Does the removal of a server with `expire_nodest_conn` on flush its entries, and is the datagram that meets one of
/// them scheduled anew? From Linux 5.9 on ("ipvs: queue delayed work to expire no destination connections if
/// expire_nodest_conn=1", 04231e52d355). Before, that datagram is dropped.
pub(super) fn flushes_entries() -> bool {
    // What cannot be read is taken for old: that only waits longer.
    uname().is_ok_and(|names| names.release().to_str().is_some_and(at_least_5_9))
}

fn at_least_5_9(release: &str) -> bool {
    let mut numbers = release.split(['.', '-', '+']).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    (major, minor) >= (5, 9)
}

#[cfg(test)]
mod tests {
    use super::at_least_5_9;

    #[test]
    fn both_sides_of_5_9() {
        for new in [
            "5.9.0",
            "5.10.0-32-amd64",
            "6.1.0-50-amd64",
            "7.3.4+deb13-amd64",
            "10.0",
        ] {
            assert!(at_least_5_9(new), "{new}");
        }
        for old in ["5.8.18", "4.19.0-27-amd64", "3.10.0-1160.el7.x86_64", "", "next"] {
            assert!(!at_least_5_9(old), "{old}");
        }
    }
}
