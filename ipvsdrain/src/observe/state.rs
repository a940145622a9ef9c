//! The states of IPVS for TCP and SCTP: the numbers of `include/net/ip_vs.h` and the names it prints. Those of TCP are
//! equal in 5.10 to 7.2, those of SCTP in 6.1 to 7.3.

use crate::identity::Protocol;

/// By number.
const TCP: [&str; 11] = [
    "NONE",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "SYNACK",
];

/// By number. `C-` is COOKIE, `S-` is SHUTDOWN.
const SCTP: [&str; 14] = [
    "NONE",
    "INIT1",
    "INIT",
    "C-SENT",
    "C-REPLIED",
    "C-WAIT",
    "COOKIE",
    "C-ECHOED",
    "ESTABLISHED",
    "S-SENT",
    "S-RECEIVED",
    "S-ACK-SENT",
    "REJECTED",
    "CLOSED",
];

/// The name IPVS prints for a state; `None` for a number it does not use, and for protocols without states.
pub(super) fn name(protocol: u16, state: u16) -> Option<&'static str> {
    names(Protocol::from_number(protocol)?)
        .get(usize::from(state))
        .copied()
}

/// The number of a state that IPVS prints under this name.
pub(super) fn number(protocol: Protocol, name: &str) -> Option<u16> {
    let place = names(protocol).iter().position(|known| *known == name)?;
    u16::try_from(place).ok()
}

const fn names(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Tcp => &TCP,
        Protocol::Sctp => &SCTP,
        Protocol::Udp => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_the_kernel() {
        let tcp = |name| number(Protocol::Tcp, name);
        assert_eq!((tcp("ESTABLISHED"), tcp("SYNACK")), (Some(1), Some(10)));
        assert_eq!((name(6, 1), name(6, 10)), (Some("ESTABLISHED"), Some("SYNACK")));
        assert_eq!((name(6, 11), tcp("UDP")), (None, None));
        let sctp = |name| number(Protocol::Sctp, name);
        assert_eq!((sctp("ESTABLISHED"), sctp("CLOSED")), (Some(8), Some(13)));
        assert_eq!(
            (name(132, 3), name(132, 11)),
            (Some("C-SENT"), Some("S-ACK-SENT"))
        );
        assert_eq!((name(132, 14), sctp("SYN_SENT")), (None, None));
        assert_eq!((name(17, 1), number(Protocol::Udp, "UDP")), (None, None));
    }
}
