//! One line of `/proc/net/ip_vs_conn`, read. Pure: bytes in, a value out, whatever the bytes are.
//!
//! ```text
//! Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
//! TCP 0A090002 9C40 0A000001 1F90 0A010005 1F90 ESTABLISHED     899
//! ```
//!
//! IPv4 addresses are 8 hex digits, IPv6 ones 8 groups of 4; the server's family may differ from the client's. The
//! columns are the same in 5.10 to 7.2. The kernel shows no flags, so a persistence template is known by its client
//! port of 0 and its state, and one that was invalidated by its server port (up to 6.12 the virtual port as well).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipvsdrain_ebpf::accounting::Class;

use super::super::state;
use crate::identity::Protocol;

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// The names of the columns.
    Header,
    /// A persistence template: no packet belongs to it.
    Template,
    Entry(Entry),
    /// Not a line as any kernel we know writes it.
    Malformed,
}

/// A connection entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::observe) struct Entry {
    /// `None`: a protocol that no address service balances, such as ESP behind a firewall mark.
    pub(in crate::observe) protocol: Option<Protocol>,
    pub(in crate::observe) client: SocketAddr,
    pub(in crate::observe) virtual_addr: SocketAddr,
    pub(in crate::observe) server: SocketAddr,
    pub(in crate::observe) class: Class,
    /// IPVS's number for a TCP connection's state; 0 for other protocols.
    pub(in crate::observe) state: u16,
    /// Until the kernel forgets it, if no packet comes; whole seconds.
    pub(in crate::observe) expires: Duration,
}

/// The port of a template that must not be used any more.
const INVALIDATED: u16 = 0xffff;

pub(super) fn parse(line: &[u8]) -> Line {
    if line.starts_with(b"Pro ") {
        return Line::Header;
    }
    fields(line).unwrap_or(Line::Malformed)
}

fn fields(line: &[u8]) -> Option<Line> {
    // What follows the ninth column belongs to a persistence engine, and may be any bytes.
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map_while(|word| std::str::from_utf8(word).ok());
    let protocol = words.next()?;
    let client = address(words.next()?, words.next()?)?;
    let virtual_addr = address(words.next()?, words.next()?)?;
    let server = address(words.next()?, words.next()?)?;
    let word = words.next()?;
    let expires: u32 = words.next()?.parse().ok()?;
    if client.is_ipv4() != virtual_addr.is_ipv4() {
        return None;
    }
    let is_template = matches!(word, "NONE" | "ASSURED") || server.port() == INVALIDATED;
    if client.port() == 0 && is_template {
        return Some(Line::Template);
    }
    let protocol = known(protocol)?;
    let state = match protocol {
        Some(protocol @ (Protocol::Tcp | Protocol::Sctp)) => state::number(protocol, word)?,
        _ => 0,
    };
    let class = Class::of(protocol.map_or(0, |protocol| u16::from(protocol.number())), state);
    Some(Line::Entry(Entry {
        protocol,
        client,
        virtual_addr,
        server,
        class,
        state,
        expires: Duration::from_secs(u64::from(expires)),
    }))
}

/// `None` for a word the kernel does not print.
#[allow(
    clippy::option_option,
    reason = "unreadable, and readable but of no address service, are two things"
)]
fn known(protocol: &str) -> Option<Option<Protocol>> {
    match protocol {
        "TCP" => Some(Some(Protocol::Tcp)),
        "UDP" => Some(Some(Protocol::Udp)),
        "SCTP" => Some(Some(Protocol::Sctp)),
        "IP" | "ICMP" | "ICMPv6" => Some(None),
        other => other
            .strip_prefix("IP_")
            .is_some_and(|number| number.parse::<u16>().is_ok())
            .then_some(None),
    }
}

fn address(addr: &str, port: &str) -> Option<SocketAddr> {
    let addr = if addr.len() == 8 && !addr.contains(':') {
        IpAddr::V4(Ipv4Addr::from(hex(addr)?))
    } else {
        IpAddr::V6(addr.parse::<Ipv6Addr>().ok()?)
    };
    if port.len() != 4 {
        return None;
    }
    Some(SocketAddr::new(addr, u16::try_from(hex(port)?).ok()?))
}

/// Digits alone: the standard library would also take a sign.
fn hex(digits: &str) -> Option<u32> {
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str) -> Entry {
        match parse(line.as_bytes()) {
            Line::Entry(entry) => entry,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn entries_of_both_families_are_read() {
        let v4 = entry("TCP 0A090002 9C40 0A000001 1F90 0A010005 0050 ESTABLISHED     899");
        assert_eq!(v4.protocol, Some(Protocol::Tcp));
        assert_eq!(v4.client, "10.9.0.2:40000".parse().unwrap());
        assert_eq!(v4.virtual_addr, "10.0.0.1:8080".parse().unwrap());
        assert_eq!(v4.server, "10.1.0.5:80".parse().unwrap());
        assert_eq!((v4.class, v4.expires), (Class::TcpOpen, Duration::from_secs(899)));

        let v6 = entry(
            "UDP 2001:0db8:0000:0000:0000:0000:0000:0002 9C40 2001:0db8:0000:0000:0000:0000:0000:0001 0035 \
             0A010005 0035 UDP             300",
        );
        assert_eq!(v6.virtual_addr, "[2001:db8::1]:53".parse().unwrap());
        assert_eq!(
            v6.server,
            "10.1.0.5:53".parse().unwrap(),
            "tunnelled to the other family"
        );
        assert_eq!((v6.protocol, v6.class), (Some(Protocol::Udp), Class::Udp));
    }

    #[test]
    fn only_the_states_the_kernel_counts_as_active_are_open() {
        for (state, class) in [
            ("SYN_SENT", Class::TcpOpen),
            ("SYN_RECV", Class::TcpOpen),
            ("SYNACK", Class::TcpOpen),
            ("ESTABLISHED", Class::TcpOpen),
            ("FIN_WAIT", Class::TcpClosing),
            ("TIME_WAIT", Class::TcpClosing),
            ("CLOSE", Class::TcpClosing),
            ("NONE", Class::TcpClosing),
        ] {
            let line = format!(
                "TCP 0A090002 9C40 0A000001 1F90 0A010005 0050 {state:<11} {:7}",
                9
            );
            assert_eq!(entry(&line).class, class, "{state}");
        }
    }

    #[test]
    fn associations_are_open_until_they_are_shut_down() {
        for (state, class) in [
            ("INIT1", Class::TcpOpen),
            ("C-SENT", Class::TcpOpen),
            ("C-ECHOED", Class::TcpOpen),
            ("ESTABLISHED", Class::TcpOpen),
            ("S-RECEIVED", Class::TcpClosing),
            ("S-ACK-SENT", Class::TcpClosing),
            ("REJECTED", Class::TcpClosing),
            ("CLOSED", Class::TcpClosing),
        ] {
            let line = format!(
                "SCTP 0A090002 9C40 0A000001 0F1C 0A010005 0F1C {state:<11} {:7}",
                9
            );
            let read = entry(&line);
            assert_eq!(
                (read.protocol, read.class),
                (Some(Protocol::Sctp), class),
                "{state}"
            );
        }
        let of_tcp = "SCTP 0A090002 9C40 0A000001 0F1C 0A010005 0F1C SYN_SENT 9";
        assert_eq!(parse(of_tcp.as_bytes()), Line::Malformed);
    }

    #[test]
    fn templates_are_no_entries() {
        for line in [
            "UDP 0A090002 0000 0A000001 0035 0A010005 0035 NONE            359",
            "TCP 0A090002 0000 0A000001 0050 0A010005 0050 ASSURED         359",
            // Of a fwmark service: the virtual address is the mark.
            "IP  0A090002 0000 00000007 0000 0A010005 0000 NONE            359",
            // Invalidated, up to 6.12 and in 7.2.
            "TCP 0A090002 0000 0A000001 FFFF 0A010005 FFFF NONE             60",
            "TCP 0A090002 0000 0A000001 0050 0A010005 FFFF ASSURED          60",
        ] {
            assert_eq!(parse(line.as_bytes()), Line::Template, "{line}");
        }
        let from_port_zero = "UDP 0A090002 0000 0A000001 0035 0A010005 0035 UDP             300";
        assert!(matches!(parse(from_port_zero.as_bytes()), Line::Entry(_)));
    }

    #[test]
    fn the_persistence_engines_bytes_do_not_matter() {
        let mut line = b"UDP 0A090002 13C4 0A000001 13C4 0A010005 13C4 UDP             300 sip ".to_vec();
        line.extend([0xff, 0xfe, b' ', 0]);
        assert!(matches!(parse(&line), Line::Entry(_)));
    }

    #[test]
    fn what_no_kernel_writes_is_malformed() {
        for line in [
            "",
            "TCP",
            "TCP 0A090002 9C40 0A000001 1F90 0A010005 0050 ESTABLISHED",
            "TCP 0A090002 9C40 0A000001 1F90 0A010005 0050 ESTABLISHED -1",
            "TCP 0A090002 9C40 0A000001 1F90 0A010005 0050 BUG! 12",
            "TCP 0A09000G 9C40 0A000001 1F90 0A010005 0050 ESTABLISHED 899",
            "TCP +A090002 9C40 0A000001 1F90 0A010005 0050 ESTABLISHED 899",
            "TCP 0A090002 19C40 0A000001 1F90 0A010005 0050 ESTABLISHED 899",
            "XYZ 0A090002 9C40 0A000001 1F90 0A010005 0050 ESTABLISHED 899",
            "TCP 0A090002 9C40 2001:0db8:0000:0000:0000:0000:0000:0001 1F90 0A010005 0050 ESTABLISHED 899",
        ] {
            assert_eq!(parse(line.as_bytes()), Line::Malformed, "{line}");
        }
    }
}
