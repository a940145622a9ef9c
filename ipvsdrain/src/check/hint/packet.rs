//! Which packets are hints, and whose: in the kernel's filter, and again in what it lets through. Pure.

use std::net::IpAddr;

use socket2::SockFilter;

use crate::check::packets::{
    JUMP_IF_ANY_SET, JUMP_IF_EQUAL, LOAD_BYTE, LOAD_BYTE_AT_X, LOAD_HALF, PROTOCOL, RETURN, SOURCE,
    X_IS_HEADER_LENGTH,
};

/// What is heard of a packet: the longest header of IP, and of TCP as far as its flags.
pub(super) const LONGEST: u8 = 80;

/// In the header of IP: where the fragment belongs, and the bits of that.
const FRAGMENT: u8 = 6;
const OFFSET: u16 = 0x1fff;
/// Behind it: the type and the code of ICMP.
const TYPE: u8 = 0;
const CODE: u8 = 1;
/// The flags of TCP.
const FLAGS: u8 = 13;
const RESET: u8 = 0x04;
/// What was sent cannot be delivered.
const UNREACHABLE: u8 = 3;
/// But this means that it was too long.
const FRAGMENTATION_NEEDED: u8 = 4;

/// In the header of IP, by their numbers.
const ICMP: u8 = 1;
const TCP: u8 = 6;

pub(super) fn filter() -> [SockFilter; 14] {
    // Jumps count the instructions that are left out.
    let load = |code, at: u8| SockFilter::new(code, 0, 0, at.into());
    let jump = |code, yes, no, k| SockFilter::new(code, yes, no, k);
    [
        load(LOAD_HALF, FRAGMENT),
        jump(JUMP_IF_ANY_SET, 11, 0, OFFSET.into()),
        load(X_IS_HEADER_LENGTH, 0),
        load(LOAD_BYTE, PROTOCOL),
        jump(JUMP_IF_EQUAL, 0, 4, ICMP.into()),
        load(LOAD_BYTE_AT_X, TYPE),
        jump(JUMP_IF_EQUAL, 0, 6, UNREACHABLE.into()),
        load(LOAD_BYTE_AT_X, CODE),
        jump(JUMP_IF_EQUAL, 4, 3, FRAGMENTATION_NEEDED.into()),
        jump(JUMP_IF_EQUAL, 0, 3, TCP.into()),
        load(LOAD_BYTE_AT_X, FLAGS),
        jump(JUMP_IF_ANY_SET, 0, 1, RESET.into()),
        SockFilter::new(RETURN, 0, 0, LONGEST.into()),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Who sent this packet, which begins with the header of IPv4; `None` if it is no hint.
pub(super) fn sender(packet: &[u8]) -> Option<IpAddr> {
    let byte = |at: usize| packet.get(at).copied();
    let (fragment, source) = (usize::from(FRAGMENT), usize::from(SOURCE));
    if u16::from_be_bytes([byte(fragment)?, byte(fragment + 1)?]) & OFFSET != 0 {
        return None;
    }
    let header = usize::from(byte(0)? & 0x0f) * 4;
    let behind = |at: u8| byte(header + usize::from(at));
    let is_hint = match byte(PROTOCOL.into())? {
        ICMP => behind(TYPE)? == UNREACHABLE && behind(CODE)? != FRAGMENTATION_NEEDED,
        TCP => behind(FLAGS)? & RESET != 0,
        _ => false,
    };
    let source: [u8; 4] = packet.get(source..source + 4)?.try_into().ok()?;
    is_hint.then(|| IpAddr::from(source))
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::net::UnixDatagram;

    use proptest::prelude::*;
    use socket2::SockRef;

    use super::*;

    const SERVER: [u8; 4] = [10, 1, 0, 5];

    /// With options of IP, `words` of them.
    fn ip(from: [u8; 4], protocol: u8, words: u8, content: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 20 + usize::from(words) * 4];
        packet[0] = 0x45 + words;
        packet[9] = protocol;
        packet[12..16].copy_from_slice(&from);
        packet.extend(content);
        packet
    }

    fn tcp(flags: u8) -> [u8; 20] {
        let mut header = [0; 20];
        header[13] = flags;
        header
    }

    pub(in super::super) fn reset(from: [u8; 4]) -> Vec<u8> {
        ip(from, 6, 0, &tcp(0x14))
    }

    /// A socket that hears what the kernel's filter lets through.
    fn filtered() -> (UnixDatagram, UnixDatagram) {
        let (to, from) = UnixDatagram::pair().unwrap();
        from.set_nonblocking(true).unwrap();
        SockRef::from(&from).attach_filter(&filter()).unwrap();
        (to, from)
    }

    /// By the kernel's filter.
    fn passes((to, from): &(UnixDatagram, UnixDatagram), packet: &[u8]) -> bool {
        to.send(packet).unwrap();
        from.recv(&mut [0; 1]).is_ok()
    }

    #[test]
    fn resets_and_what_cannot_be_delivered_are_hints_and_nothing_else_is() {
        let filtered = filtered();
        let icmp = |kind, code| ip(SERVER, 1, 0, &[kind, code, 0, 0, 0, 0, 0, 0]);
        let mut late_fragment = reset(SERVER);
        late_fragment[7] = 1;
        let mut first_fragment = reset(SERVER);
        first_fragment[6] = 0x20;
        for (what, packet, is_hint) in [
            ("reset", ip(SERVER, 6, 0, &tcp(0x04)), true),
            ("refusal", reset(SERVER), true),
            (
                "reset behind all options of IP that fit",
                ip(SERVER, 6, 10, &tcp(0x04)),
                true,
            ),
            ("first fragment", first_fragment, true),
            ("middle of a packet", late_fragment, false),
            (
                "all flags of TCP but a reset",
                ip(SERVER, 6, 0, &tcp(0xfb)),
                false,
            ),
            ("network unreachable", icmp(3, 0), true),
            ("port unreachable", icmp(3, 3), true),
            ("prohibited", icmp(3, 13), true),
            ("too long for a link", icmp(3, 4), false),
            ("echo", icmp(8, 0), false),
            ("time exceeded", icmp(11, 3), false),
            ("UDP", ip(SERVER, 17, 0, &tcp(0x04)), false),
        ] {
            assert_eq!(sender(&packet), is_hint.then(|| SERVER.into()), "{what}");
            assert_eq!(passes(&filtered, &packet), is_hint, "{what}, by the filter");
        }
    }

    #[test]
    fn what_is_cut_short_before_it_says_so_is_no_hint() {
        let filtered = filtered();
        let whole = ip(SERVER, 6, 10, &tcp(0x04));
        for length in 1..whole.len() {
            let is_hint = length >= 60 + 14;
            assert_eq!(sender(&whole[..length]).is_some(), is_hint, "{length}");
            assert_eq!(
                passes(&filtered, &whole[..length]),
                is_hint,
                "{length}, by the filter"
            );
        }
    }

    /// Bytes that often come near to a packet.
    fn near() -> impl Strategy<Value = Vec<u8>> {
        let protocol = prop_oneof![Just(1_u8), Just(6), any::<u8>()];
        let content = prop::collection::vec(prop_oneof![0_u8..6, any::<u8>()], 0..40);
        (protocol, 0_u8..=10, any::<[u8; 4]>(), content)
            .prop_map(|(protocol, words, from, content)| ip(from, protocol, words, &content))
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            sender(&bytes);
        }

        #[test]
        fn the_filter_lets_through_what_is_a_hint(packet in near()) {
            prop_assert_eq!(passes(&filtered(), &packet), sender(&packet).is_some());
        }
    }
}
