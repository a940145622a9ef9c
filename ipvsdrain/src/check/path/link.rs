//! The link a server is on, and its address there, as the kernel knows them.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::net::if_::if_nametoindex;
use tokio::time::sleep;

/// How often the kernel is asked for an address that it is resolving.
const AGAIN: Duration = Duration::from_millis(20);

/// How packets get to a server, and back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::check) struct Link {
    pub(super) index: u32,
    /// This host's address there.
    pub(super) own: Ipv4Addr,
    /// The server's.
    pub(super) hardware: [u8; 6],
}

/// Why there is no such way.
#[derive(Debug, thiserror::Error)]
pub(in crate::check) enum LinkError {
    #[error("{0} is not on a link of this host, so it cannot be reached for another address")]
    NotOnLink(Ipv4Addr),
    #[error("the link to {0} cannot be found: {1}")]
    Unknown(Ipv4Addr, io::Error),
}

/// The interface towards a server.
struct Towards {
    name: String,
    own: Ipv4Addr,
}

impl Link {
    /// Finds it, for as long as it takes the server to answer to address resolution.
    pub(in crate::check) async fn to(server: Ipv4Addr) -> Result<Self, LinkError> {
        let unknown = |error| LinkError::Unknown(server, error);
        let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(unknown)?;
        let towards = towards(&probe, server)
            .map_err(unknown)?
            .ok_or(LinkError::NotOnLink(server))?;
        let index = if_nametoindex(towards.name.as_str()).map_err(|errno| unknown(errno.into()))?;
        let mut asked = false;
        loop {
            if let Some(hardware) = hardware(&probe, &towards.name, server).map_err(unknown)? {
                let own = towards.own;
                return Ok(Self { index, own, hardware });
            }
            if !asked {
                // Whatever is sent makes the kernel resolve the address; nobody is to read it.
                drop(probe.send_to(&[], (server, 9)));
                asked = true;
            }
            sleep(AGAIN).await;
        }
    }
}

/// `None` if the server is behind a router.
fn towards(probe: &UdpSocket, server: Ipv4Addr) -> io::Result<Option<Towards>> {
    probe.connect((server, 9))?;
    let std::net::IpAddr::V4(own) = probe.local_addr()?.ip() else {
        return Ok(None);
    };
    let mut found = None;
    for interface in getifaddrs()? {
        let (Some(address), Some(mask)) = (interface.address, interface.netmask) else {
            continue;
        };
        let (Some(address), Some(mask)) = (address.as_sockaddr_in(), mask.as_sockaddr_in()) else {
            continue;
        };
        if address.ip() == own && is_near(own, mask.ip(), server) {
            found = Some(Towards {
                name: interface.interface_name,
                own,
            });
        }
    }
    Ok(found)
}

fn is_near(own: Ipv4Addr, mask: Ipv4Addr, server: Ipv4Addr) -> bool {
    own.to_bits() & mask.to_bits() == server.to_bits() & mask.to_bits()
}

/// The server's link address, once the kernel has resolved it.
fn hardware(any: &UdpSocket, interface: &str, server: Ipv4Addr) -> io::Result<Option<[u8; 6]>> {
    // SAFETY: all bytes zero are a value of this plain struct, and its pieces are written within their size.
    let mut request: libc::arpreq = unsafe { std::mem::zeroed() };
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: server.to_bits().to_be(),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: both are 16 bytes.
    request.arp_pa = unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(address) };
    let room = request.arp_dev.len() - 1;
    for (to, from) in request.arp_dev.iter_mut().zip(interface.bytes().take(room)) {
        *to = from.cast_signed();
    }
    // SAFETY: the kernel reads and writes one `arpreq`.
    let answer = unsafe { libc::ioctl(any.as_raw_fd(), libc::SIOCGARP, &raw mut request) };
    match Errno::result(answer) {
        Ok(_) if request.arp_flags & libc::ATF_COM == 0 => Ok(None),
        Ok(_) => {
            let bytes = request.arp_ha.sa_data;
            Ok(Some(std::array::from_fn(|at| bytes[at].cast_unsigned())))
        }
        Err(Errno::ENXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_within_the_mask() {
        let own = Ipv4Addr::new(10, 1, 0, 1);
        let mask = Ipv4Addr::new(255, 255, 255, 0);
        assert!(is_near(own, mask, Ipv4Addr::new(10, 1, 0, 255)));
        assert!(!is_near(own, mask, Ipv4Addr::new(10, 1, 1, 0)));
    }

    #[tokio::test]
    async fn what_is_on_no_link_is_said_to_be_so() {
        let far = Ipv4Addr::new(192, 0, 2, 1);
        let said = Link::to(far).await.unwrap_err();
        assert!(
            matches!(said, LinkError::NotOnLink(_) | LinkError::Unknown(..)),
            "{said}"
        );
    }
}
