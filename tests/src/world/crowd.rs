//! A crowd: services by the thousand, whose real servers nobody plays. For what grows with the size of the table.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use ipvsdrain::identity::{Protocol, RealServer, VirtualService};

use super::director::service_option;
use super::{Director, Forwarding, Place, VIP};

/// Services of the VIP from this port on.
const FIRST_PORT: u16 = 10_000;
/// Real servers from this address on, each in one service.
const FIRST_SERVER: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 0);

impl Director {
    /// Adds so many UDP services with so many real servers of weight 1 each, in one go; what was added, by service.
    pub fn balance_crowd(&self, services: u16, servers: u16) -> Result<Vec<Place>> {
        let places = crowd(services, servers);
        let flag = Forwarding::DirectRoute.flag();
        let mut lines = String::new();
        for of_service in places.chunks(usize::from(servers)) {
            let key = service_option(&of_service[0].service);
            let _ = writeln!(lines, "-A {key} -s rr");
            for place in of_service {
                let _ = writeln!(lines, "-a {key} -r {} {flag} -w 1", place.server);
            }
        }
        self.restore(&lines)?;
        Ok(places)
    }
}

fn crowd(services: u16, servers: u16) -> Vec<Place> {
    let of_service = |service: u16| {
        let port = FIRST_PORT + service;
        let name = VirtualService::Address {
            protocol: Protocol::Udp,
            addr: SocketAddr::new(VIP.into(), port),
        };
        (0..servers).map(move |server| {
            let number = u32::from(service) * u32::from(servers) + u32::from(server);
            let address = Ipv4Addr::from(u32::from(FIRST_SERVER) + number);
            Place {
                service: name,
                server: RealServer((address, port).into()),
            }
        })
    };
    (0..services).flat_map(of_service).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_server_is_in_one_service() {
        let places = crowd(1000, 10);
        let names: BTreeSet<String> = places.iter().map(|place| place.server.to_string()).collect();
        assert_eq!(names.len(), 10_000);
        assert_eq!(
            places[10_000 - 1].to_string(),
            "10.64.39.15:10999 of udp:10.0.0.1:10999"
        );
    }
}
