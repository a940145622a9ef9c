//! The seal: what pinned maps and programs were made for, beside what they would be made for today.
//!
//! Whatever differs makes them worthless: a module that was loaded anew, another object, another namespace with the same
//! number. Pins without a whole seal are from a daemon that died while it made them.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use ipvsdrain_ebpf::layout::{FLOWS, Kernel, Seal};
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::observe::object::Object;

/// There whether `ip_vs` is a module or not. The kernel gives it another inode number at each load.
const MODULE: &str = "/sys/module/ip_vs";

/// The seal that pins made now would get.
pub(in crate::observe) fn today(
    object: &Object,
    kernel: &Kernel,
    flows: Option<u32>,
) -> Result<Seal, String> {
    let module = fs::metadata(MODULE).map_err(|error| format!("{MODULE} cannot be looked at: {error}"))?;
    let network = cookie().map_err(|error| format!("SO_NETNS_COOKIE cannot be read: {error}"))?;
    // Not the same in every release of Rust. Then the pins of another build are no longer recognized, which is safe.
    let mut hasher = DefaultHasher::new();
    hasher.write(&object.bytes);
    Ok(Seal {
        kernel: *kernel,
        object: hasher.finish(),
        module: module.ino(),
        network,
        flows: u64::from(flows.unwrap_or(FLOWS)),
        gap: 0,
        whole: Seal::WHOLE,
    })
}

/// What of the pins is not as it would be today.
pub(in crate::observe) fn difference(found: &Seal, today: &Seal) -> Option<&'static str> {
    let facts = [
        (found.whole == today.whole, "they were never complete"),
        (
            found.network == today.network,
            "they are of a network namespace that is gone",
        ),
        (
            found.module == today.module,
            "the module ip_vs was loaded anew since",
        ),
        (
            found.kernel == today.kernel,
            "the kernel's facts are others today",
        ),
        (found.object == today.object, "they are of another eBPF object"),
        (
            found.flows == today.flows,
            "they have room for another number of flows",
        ),
    ];
    facts.iter().find(|(same, _)| !same).map(|(_, what)| *what)
}

/// `include/uapi/asm-generic/socket.h`; from Linux 5.14 on.
const SO_NETNS_COOKIE: libc::c_int = 71;

/// What the kernel calls the calling thread's network namespace, and no other one ever.
fn cookie() -> io::Result<u64> {
    let asker = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).unwrap_or_default();
    // SAFETY: the kernel writes at most `length` bytes to `cookie`.
    let answer = unsafe {
        libc::getsockopt(
            asker.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_is_named() {
        let today = Seal {
            object: 1,
            module: 2,
            network: 3,
            flows: 4,
            whole: Seal::WHOLE,
            ..Seal::default()
        };
        assert_eq!(difference(&today, &today), None);
        assert_eq!(difference(&Seal { gap: 1, ..today }, &today), None);
        let kernel = Kernel {
            arrival_is_life: 1,
            ..Kernel::default()
        };
        for (found, named) in [
            (Seal { whole: 0, ..today }, "never complete"),
            (Seal { kernel, ..today }, "facts"),
            (Seal { object: 9, ..today }, "object"),
            (Seal { module: 9, ..today }, "loaded anew"),
            (Seal { network: 9, ..today }, "namespace"),
            (Seal { flows: 9, ..today }, "number of flows"),
        ] {
            let said = difference(&found, &today).unwrap();
            assert!(said.contains(named), "{said}");
        }
    }
}
