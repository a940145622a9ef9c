//! Where a check goes: the way clients go where the forwarding method allows it, else to the real server's own address. Pure.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::path::Way;
use super::wanted::Key;
use crate::identity::VirtualService;

/// Which way a check takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// As clients do under direct route, where the server is on a link of this host; else as `own`.
    #[default]
    Auto,
    /// To the server's own address.
    Own,
    /// For the service's address, or not at all.
    Virtual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Own(SocketAddr),
    /// For the virtual address; or, unless the check insists on that, to the server's own where that cannot be.
    Virtual(Way, Option<SocketAddr>),
}

/// # Errors
/// Why there is nothing to connect to.
pub(super) fn target(key: &Key, port: Option<NonZeroU16>, via: Via) -> Result<Target, String> {
    let own = key.server.0;
    let at = |port: u16| {
        let port = self::port(port, own.port());
        let none = || "the server has no port of its own: give the check a `port`".to_owned();
        port.ok_or_else(none)
    };
    let own = SocketAddr::new(own.ip(), at(port.map_or(0, NonZeroU16::get))?);
    let way = match (&key.service, own.ip()) {
        (VirtualService::Address { addr, .. }, IpAddr::V4(server)) if key.direct => match addr.ip() {
            IpAddr::V4(address) => Some(Way {
                to: SocketAddrV4::new(address, own.port()),
                server,
            }),
            IpAddr::V6(_) => None,
        },
        _ => None,
    };
    match (via, way) {
        (Via::Own, _) | (Via::Auto, None) => Ok(Target::Own(own)),
        (Via::Auto, Some(way)) => Ok(Target::Virtual(way, Some(own))),
        (Via::Virtual, Some(way)) => Ok(Target::Virtual(way, None)),
        (Via::Virtual, None) => Err(
            "a check can go the way clients do for an IPv4 service with direct route alone: give it via = \"own\""
                .to_owned(),
        ),
    }
}

/// The port of the check wins.
fn port(asked: u16, own: u16) -> Option<u16> {
    [asked, own].into_iter().find(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(service: &str, server: &str, direct: bool) -> Key {
        Key {
            source: "check:tcp".into(),
            service: service.parse().unwrap(),
            server: server.parse().unwrap(),
            direct,
        }
    }

    #[test]
    fn the_port_of_the_check_wins_and_there_must_be_one() {
        let at =
            |server: &str, port| target(&key("fwmark:7", server, false), NonZeroU16::new(port), Via::Auto);
        let own = |text: &str| Ok(Target::Own(text.parse().unwrap()));
        assert_eq!(at("10.1.0.5:53", 0), own("10.1.0.5:53"));
        assert_eq!(at("[2001:db8::5]:0", 80), own("[2001:db8::5]:80"));
        assert_eq!(at("10.1.0.5:53", 80), own("10.1.0.5:80"));
        assert!(
            at("10.1.0.5:0", 0)
                .unwrap_err()
                .contains("give the check a `port`")
        );
    }

    #[test]
    fn only_direct_route_of_ipv4_goes_the_way_clients_do() {
        let of = |service, direct, via| target(&key(service, "10.1.0.5:53", direct), None, via);
        let own: SocketAddr = "10.1.0.5:53".parse().unwrap();
        let way = Way {
            to: "10.0.0.1:53".parse().unwrap(),
            server: "10.1.0.5".parse().unwrap(),
        };
        assert_eq!(
            of("udp:10.0.0.1:53", true, Via::Auto),
            Ok(Target::Virtual(way, Some(own)))
        );
        assert_eq!(
            of("udp:10.0.0.1:53", true, Via::Virtual),
            Ok(Target::Virtual(way, None))
        );
        assert_eq!(of("udp:10.0.0.1:53", true, Via::Own), Ok(Target::Own(own)));
        for (service, direct) in [
            ("udp:10.0.0.1:53", false),
            ("fwmark:7", true),
            ("udp:[2001:db8::1]:53", true),
        ] {
            assert_eq!(of(service, direct, Via::Auto), Ok(Target::Own(own)), "{service}");
            assert!(
                of(service, direct, Via::Virtual).unwrap_err().contains("via"),
                "{service}"
            );
        }
    }
}
