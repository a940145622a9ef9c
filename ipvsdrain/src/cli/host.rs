//! A host, named by its address: the same machine is a real server of several services. Pure.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::identity::RealServer;

/// How many addresses are named where one matches nothing.
const NEAREST: usize = 3;

/// Every real server on this address, or the one on this port of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Host {
    address: IpAddr,
    port: Option<u16>,
}

impl Host {
    pub(super) fn takes(&self, server: &RealServer) -> bool {
        server.0.ip() == self.address && self.port.is_none_or(|port| server.0.port() == port)
    }

    /// The addresses most like this one, the nearest first.
    pub(super) fn nearest<'a>(&self, servers: impl Iterator<Item = &'a RealServer>) -> Vec<String> {
        let given = self.to_string();
        let name = |server: &RealServer| match self.port {
            Some(_) => server.to_string(),
            None => server.0.ip().to_string(),
        };
        let mut names: Vec<String> = servers.map(name).collect::<BTreeSet<_>>().into_iter().collect();
        names.sort_by_key(|name| strsim::levenshtein(name, &given));
        names.truncate(NEAREST);
        names
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(addr) = text.parse::<SocketAddr>() {
            return Ok(Self {
                address: addr.ip(),
                port: Some(addr.port()),
            });
        }
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        bare.parse()
            .map(|address| Self { address, port: None })
            .map_err(|_| {
                format!(
                    "`{text}` is not an address. Write 10.1.0.5, 10.1.0.5:53, 2001:db8::5 or [2001:db8::5]:53"
                )
            })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.address, port).fmt(f),
            None => self.address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        text.parse().unwrap()
    }

    fn server(text: &str) -> RealServer {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_takes_every_port_and_an_address_with_a_port_that_one() {
        for (given, taken, other) in [
            ("10.1.0.5", "10.1.0.5:53", "10.1.0.6:53"),
            ("10.1.0.5:53", "10.1.0.5:53", "10.1.0.5:443"),
            ("2001:db8::5", "[2001:db8::5]:53", "[2001:db8::6]:53"),
            ("[2001:db8::5]", "[2001:db8::5]:53", "10.1.0.5:53"),
            ("[2001:db8::5]:53", "[2001:db8::5]:53", "[2001:db8::5]:54"),
        ] {
            assert!(host(given).takes(&server(taken)), "{given}");
            assert!(!host(given).takes(&server(other)), "{given}");
        }
        assert_eq!(host("[2001:db8::5]").to_string(), "2001:db8::5");
    }

    #[test]
    fn what_is_nearest_is_named_first_and_once() {
        let there = [
            "10.1.0.15:53",
            "10.1.0.6:53",
            "10.1.0.6:443",
            "192.0.2.77:53",
            "10.1.0.16:53",
        ]
        .map(server);
        assert_eq!(
            host("10.1.0.5").nearest(there.iter())[..2],
            ["10.1.0.15", "10.1.0.6"]
        );
        assert_eq!(host("10.1.0.6:54").nearest(there.iter())[0], "10.1.0.6:53");
        assert!(host("10.1.0.5").nearest([].iter()).is_empty());
    }
}
