//! How virtual services and real servers are named, in text and in memory.
//!
//! Owns the written forms (`udp:10.0.0.1:53`, `tcp:[2001:db8::1]:443`, `fwmark:7`, `fwmark6:7`,
//! `10.1.0.5:53`) and nothing else: what a service or a server *is configured as* belongs to [`crate::ipvs`].

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A transport protocol IPVS balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// The IP protocol number (IANA).
    pub const fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }

    /// The protocol with this IP protocol number, if IPVS balances it.
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            6 => Some(Protocol::Tcp),
            17 => Some(Protocol::Udp),
            132 => Some(Protocol::Sctp),
            _ => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const fn of(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

/// A balanced address: what the kernel keys `ip_vs_service` by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VirtualService {
    /// Traffic to one protocol, address and port. Port 0 (persistent services only) means every port.
    Address { protocol: Protocol, addr: SocketAddr },
    /// Traffic that carries a firewall mark, whatever its protocol.
    Fwmark { mark: NonZeroU32, family: Family },
}

impl VirtualService {
    /// The family of the service itself; a tunnelled real server's may differ.
    pub const fn family(&self) -> Family {
        match self {
            VirtualService::Address { addr, .. } => Family::of(addr.ip()),
            VirtualService::Fwmark { family, .. } => *family,
        }
    }
}

impl fmt::Display for VirtualService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VirtualService::Address { protocol, addr } => write!(f, "{protocol}:{addr}"),
            VirtualService::Fwmark {
                mark,
                family: Family::V4,
            } => write!(f, "fwmark:{mark}"),
            VirtualService::Fwmark {
                mark,
                family: Family::V6,
            } => write!(f, "fwmark6:{mark}"),
        }
    }
}

/// A backend behind a virtual service, by its own address. Port 0 is legal behind fwmark services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealServer(pub SocketAddr);

impl fmt::Display for RealServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A name that could not be read, with the forms that can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error(
        "`{given}` is not a virtual service: {fault}. Write udp:10.0.0.1:53, tcp:[2001:db8::1]:443, fwmark:7 or fwmark6:7"
    )]
    Service { given: String, fault: String },
    #[error("`{given}` is not a real server: {fault}. Write 10.1.0.5:53 or [2001:db8::5]:53")]
    Server { given: String, fault: String },
}

fn read_addr(text: &str) -> Result<SocketAddr, String> {
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return Ok(addr);
    }
    Err(if text.parse::<IpAddr>().is_ok() {
        format!("the port is missing after `{text}`")
    } else {
        format!("`{text}` is not an address with a port")
    })
}

impl FromStr for VirtualService {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fail = |fault: String| NameError::Service {
            given: text.to_owned(),
            fault,
        };
        let (kind, rest) = text
            .split_once(':')
            .ok_or_else(|| fail("there is no `:` after the protocol".to_owned()))?;
        let address = |protocol| {
            Ok(VirtualService::Address {
                protocol,
                addr: read_addr(rest).map_err(&fail)?,
            })
        };
        let fwmark = |family| {
            let mark = rest
                .parse::<NonZeroU32>()
                .map_err(|_| fail(format!("`{rest}` is not a mark from 1 to 4294967295")))?;
            Ok(VirtualService::Fwmark { mark, family })
        };
        match kind {
            "tcp" => address(Protocol::Tcp),
            "udp" => address(Protocol::Udp),
            "sctp" => address(Protocol::Sctp),
            "fwmark" => fwmark(Family::V4),
            "fwmark6" => fwmark(Family::V6),
            _ => Err(fail(format!(
                "`{kind}` is none of tcp, udp, sctp, fwmark, fwmark6"
            ))),
        }
    }
}

impl FromStr for RealServer {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        read_addr(text)
            .map(RealServer)
            .map_err(|fault| NameError::Server {
                given: text.to_owned(),
                fault,
            })
    }
}

/// Names travel as their written form in JSON and in the journal.
macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(VirtualService, RealServer);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_reads_back_as_itself() {
        for text in [
            "udp:10.0.0.1:53",
            "tcp:[2001:db8::1]:443",
            "sctp:10.0.0.1:0",
            "fwmark:7",
            "fwmark6:4294967295",
        ] {
            assert_eq!(text.parse::<VirtualService>().unwrap().to_string(), text);
        }
        for text in ["10.1.0.5:53", "[2001:db8::5]:0"] {
            assert_eq!(text.parse::<RealServer>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_name_says_what_is_wrong_and_what_is_right() {
        for (text, fault) in [
            ("10.0.0.1:53", "`10.0.0.1` is none of"),
            ("udp", "no `:`"),
            ("udp:10.0.0.1", "the port is missing"),
            ("udp:2001:db8::1:53", "the port is missing"),
            ("udp:host:53", "not an address with a port"),
            ("fwmark:0", "not a mark"),
            ("fwmark:-1", "not a mark"),
        ] {
            let said = text.parse::<VirtualService>().unwrap_err().to_string();
            assert!(said.contains(fault) && said.contains("udp:10.0.0.1:53"), "{said}");
        }
        assert!(
            "10.1.0.5"
                .parse::<RealServer>()
                .unwrap_err()
                .to_string()
                .contains("the port is missing")
        );
    }

    #[test]
    fn names_are_strings_in_json() {
        let service: VirtualService = serde_json::from_str("\"fwmark6:9\"").unwrap();
        assert_eq!(serde_json::to_string(&service).unwrap(), "\"fwmark6:9\"");
        assert!(serde_json::from_str::<RealServer>("\"10.1.0.5\"").is_err());
    }
}
