//! The kernel's own table as text: `/proc/net/ip_vs`. A witness that shares no code with the daemon.
//!
//! ```text
//! Prot LocalAddress:Port Scheduler Flags
//!   -> RemoteAddress:Port Forward Weight ActiveConn InActConn
//! UDP  0A000001:0035 rr
//!   -> 0A010005:0035      Route   1      0          12
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

use super::Place;
use ipvsdrain::identity::{Family, Protocol, RealServer, VirtualService};

/// One real server of one virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub place: Place,
    /// `Route`, `Masq`, `Tunnel` or `Local`.
    pub forwarding: String,
    pub weight: i32,
    pub active: u32,
    pub inactive: u32,
}

/// Reads the table. Of a fwmark service it does not show the family: it is taken for IPv4.
pub fn read_table(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut service = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["TCP", address, ..] => service = address_service(Protocol::Tcp, address),
            ["UDP", address, ..] => service = address_service(Protocol::Udp, address),
            ["SCTP", address, ..] => service = address_service(Protocol::Sctp, address),
            ["FWM", mark, ..] => service = fwmark_service(mark),
            ["->", address, forwarding, weight, active, inactive] => {
                let numbers = (weight.parse(), active.parse(), inactive.parse());
                if let (Some(service), Some(addr), (Ok(weight), Ok(active), Ok(inactive))) =
                    (service, read_address(address), numbers)
                {
                    let forwarding = forwarding.to_owned();
                    let place = Place {
                        service,
                        server: RealServer(addr),
                    };
                    rows.push(Row {
                        place,
                        forwarding,
                        weight,
                        active,
                        inactive,
                    });
                }
            }
            _ => {}
        }
    }
    rows
}

fn address_service(protocol: Protocol, text: &str) -> Option<VirtualService> {
    Some(VirtualService::Address {
        protocol,
        addr: read_address(text)?,
    })
}

fn fwmark_service(text: &str) -> Option<VirtualService> {
    let mark = NonZeroU32::new(u32::from_str_radix(text, 16).ok()?)?;
    Some(VirtualService::Fwmark {
        mark,
        family: Family::V4,
    })
}

/// `0A000001:0035` is 10.0.0.1:53; `[2001:0db8:0000:…:0001]:0035` is 2001:db8::1 port 53.
fn read_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once(':')?;
    let address = match address.strip_prefix('[') {
        Some(six) => IpAddr::V6(six.strip_suffix(']')?.parse().ok()?),
        None => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?)),
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_their_servers_are_read() {
        let rows = read_table(
            "IP Virtual Server version 1.2.1 (size=4096)\n\
             Prot LocalAddress:Port Scheduler Flags\n\
             \x20 -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n\
             TCP  0A000001:1F90 wlc \n\
             UDP  0A000001:0035 sh ops\n\
             \x20 -> 0A010006:0035      Masq    0      3          12        \n\
             TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:01BB rr\n\
             \x20 -> [2001:0db8:0001:0000:0000:0000:0000:0005]:01BB      Route   1      2          0\n\
             FWM  00000007 rr persistent 360 FFFFFFFF\n\
             \x20 -> 0A010005:0000      Tunnel  2      0          0         \n",
        );
        let seen: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    row.place.service.to_string(),
                    row.place.server.to_string(),
                    row.weight,
                    row.active,
                    row.inactive,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("udp:10.0.0.1:53".to_owned(), "10.1.0.6:53".to_owned(), 0, 3, 12),
                (
                    "tcp:[2001:db8::1]:443".to_owned(),
                    "[2001:db8:1::5]:443".to_owned(),
                    1,
                    2,
                    0
                ),
                ("fwmark:7".to_owned(), "10.1.0.5:0".to_owned(), 2, 0, 0),
            ]
        );
        assert_eq!(rows[0].forwarding, "Masq");
    }
}
