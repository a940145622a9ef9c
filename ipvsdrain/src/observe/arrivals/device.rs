//! What the interfaces of the calling thread's network namespace are. Reads, judges nothing.
//!
//! Asked by `ioctl`, because the files below `/sys/class/net` are those of the namespace that mounted them.

use std::ffi::c_char;
use std::io;
use std::os::fd::AsRawFd;

use nix::libc;
use nix::net::if_::if_nameindex;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    /// The kernel's number for it, which no later interface gets.
    pub(super) index: u32,
    pub(super) name: String,
    /// As `ethtool -i` names it; empty where the driver tells none.
    pub(super) driver: String,
    pub(super) is_loopback: bool,
    /// It may bring packets in.
    pub(super) is_up: bool,
}

/// Drivers of interfaces whose packets came in by another one.
const STACKED: [&str; 9] = [
    "802.1Q VLAN Support",
    "bonding",
    "bridge",
    "hsr",
    "ipvlan",
    "macvlan",
    "net_failover",
    "team",
    "vrf",
];

impl Device {
    pub(super) fn is_stacked(&self) -> bool {
        STACKED.contains(&self.driver.as_str())
    }
}

/// Every interface, in the order of the kernel's numbers.
pub(super) fn all() -> io::Result<Vec<Device>> {
    let asker = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let mut devices = Vec::new();
    for interface in &if_nameindex()? {
        let name = interface.name().to_string_lossy().into_owned();
        devices.push(Device {
            driver: driver(&asker, &name).unwrap_or_default(),
            is_loopback: name == "lo",
            is_up: is_up(&asker, &name),
            index: interface.index(),
            name,
        });
    }
    Ok(devices)
}

/// `ETHTOOL_GDRVINFO` of `include/uapi/linux/ethtool.h`.
const GET_DRIVER: u32 = 3;
const SIOCETHTOOL: u32 = 0x8946;

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [c_char; 32],
    rest: [u8; 160],
}

const _: () = assert!(size_of::<DriverInfo>() == 196);

/// `None` for an interface whose driver answers no such question.
fn driver(asker: &impl AsRawFd, name: &str) -> Option<String> {
    let mut info = DriverInfo {
        command: GET_DRIVER,
        driver: [0; 32],
        rest: [0; 160],
    };
    let mut request = request_about(name)?;
    request.ifr_ifru.ifru_data = (&raw mut info).cast();
    // SAFETY: the kernel writes a `struct ethtool_drvinfo` where `ifru_data` points to, and `info` is one.
    let answer = unsafe {
        libc::ioctl(
            asker.as_raw_fd(),
            libc::Ioctl::from(SIOCETHTOOL),
            &raw mut request,
        )
    };
    if answer != 0 {
        return None;
    }
    let bytes: Vec<u8> = info
        .driver
        .iter()
        .map(|byte| byte.cast_unsigned())
        .take_while(|byte| *byte != 0)
        .collect();
    String::from_utf8(bytes).ok()
}

/// An interface that cannot be asked is taken to be up.
fn is_up(asker: &impl AsRawFd, name: &str) -> bool {
    let Some(mut request) = request_about(name) else {
        return true;
    };
    // SAFETY: the kernel writes the flags into the request itself, where they are read from.
    let (answer, flags) = unsafe {
        let answer = libc::ioctl(asker.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request);
        (answer, request.ifr_ifru.ifru_flags)
    };
    answer != 0 || libc::c_int::from(flags) & libc::IFF_UP != 0
}

/// `None` for a name that no interface can have.
fn request_about(name: &str) -> Option<libc::ifreq> {
    // SAFETY: all bytes zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_found() {
        let all = all().unwrap();
        assert!(
            all.iter()
                .any(|device| device.is_loopback && device.is_up && !device.is_stacked()),
            "{all:?}"
        );
    }
}
