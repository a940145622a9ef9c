//! What a packet on the wire says, as far as the ledger of the wire needs it. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, SocketAddrV4};

const ICMP: u8 = 1;
const IP_IN_IP: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;

/// One packet of IPv4, taken out of its tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) from: SocketAddrV4,
    pub(super) to: SocketAddrV4,
    /// Of its payload.
    pub(super) bytes: u32,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Told apart from others of the same flow by what it carries.
    Datagram { content: u64 },
    Segment {
        sequence: u32,
        acknowledged: u32,
        flags: u8,
    },
    /// ICMP: what `to` sent found nobody. The ports are those of what was sent.
    Unreachable,
}

impl Packet {
    /// None for what is none of these. `length` is that of the whole packet, of which `bytes` may be the beginning.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let header = Header::read(bytes)?;
        let rest = bytes.get(header.length..header.total.min(bytes.len()))?;
        let payload = header.total.checked_sub(header.length)?;
        match header.protocol {
            IP_IN_IP => Self::read(rest),
            UDP => {
                let mut hasher = DefaultHasher::new();
                rest.get(8..)?.hash(&mut hasher);
                let content = hasher.finish();
                header.packet(rest, payload.checked_sub(8)?, Kind::Datagram { content })
            }
            TCP => {
                let offset = usize::from(rest.get(12)? >> 4) * 4;
                let kind = Kind::Segment {
                    sequence: word(rest, 4)?,
                    acknowledged: word(rest, 8)?,
                    flags: *rest.get(13)?,
                };
                header.packet(rest, payload.checked_sub(offset)?, kind)
            }
            ICMP if rest.first() == Some(&3) => {
                let quoted = Header::read(rest.get(8..)?)?;
                let told = quoted.packet(rest.get(8 + quoted.length..)?, 0, Kind::Unreachable)?;
                Some(Self {
                    from: told.to,
                    to: told.from,
                    ..told
                })
            }
            _ => None,
        }
    }
}

struct Header {
    length: usize,
    total: usize,
    protocol: u8,
    from: Ipv4Addr,
    to: Ipv4Addr,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        if first >> 4 != 4 {
            return None;
        }
        Some(Self {
            length: usize::from(first & 15) * 4,
            total: usize::from(half(bytes, 2)?),
            protocol: *bytes.get(9)?,
            from: word(bytes, 12)?.into(),
            to: word(bytes, 16)?.into(),
        })
    }

    fn packet(&self, rest: &[u8], bytes: usize, kind: Kind) -> Option<Packet> {
        Some(Packet {
            from: SocketAddrV4::new(self.from, half(rest, 0)?),
            to: SocketAddrV4::new(self.to, half(rest, 2)?),
            bytes: u32::try_from(bytes).ok()?,
            kind,
        })
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(protocol: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let total = u8::try_from(20 + payload.len()).unwrap();
        let mut packet = vec![0x45, 0, 0, total, 0, 0, 0, 0, 64, protocol, 0, 0];
        packet.extend(from);
        packet.extend(to);
        packet.extend(payload);
        packet
    }

    const CLIENT: [u8; 4] = [10, 9, 0, 2];
    const VIP: [u8; 4] = [10, 0, 0, 1];
    const UDP_TO_53: [u8; 10] = [0x12, 0x34, 0, 53, 0, 10, 0, 0, b'h', b'i'];

    #[test]
    fn a_datagram_is_the_same_in_and_out_of_a_tunnel() {
        let inner = ip(UDP, CLIENT, VIP, &UDP_TO_53);
        let plain = Packet::read(&inner).unwrap();
        assert_eq!(plain.from.to_string(), "10.9.0.2:4660");
        assert_eq!((plain.to.port(), plain.bytes), (53, 2));
        let outer = ip(IP_IN_IP, [10, 1, 0, 1], [10, 1, 0, 5], &inner);
        assert_eq!(Packet::read(&outer), Some(plain));
        let mut other = inner.clone();
        other[29] = b'o';
        assert_ne!(Packet::read(&other), Some(plain));
    }

    #[test]
    fn a_segment_shows_its_numbers_and_padding_is_no_payload() {
        let mut segment = vec![0x12, 0x34, 0, 80];
        segment.extend([0, 0, 0, 7, 0, 0, 0, 9, 0x50, ACK, 0, 0, 0, 0, 0, 0, b'x']);
        let mut bytes = ip(TCP, CLIENT, VIP, &segment);
        bytes.extend([0; 5]);
        let packet = Packet::read(&bytes).unwrap();
        let (sequence, acknowledged, flags) = (7, 9, ACK);
        assert_eq!(packet.bytes, 1);
        assert_eq!(
            packet.kind,
            Kind::Segment {
                sequence,
                acknowledged,
                flags
            }
        );
    }

    #[test]
    fn what_was_unreachable_is_told_to_who_sent_it() {
        let mut icmp = vec![3, 3, 0, 0, 0, 0, 0, 0];
        icmp.extend(ip(UDP, CLIENT, VIP, &UDP_TO_53));
        let packet = Packet::read(&ip(ICMP, VIP, CLIENT, &icmp)).unwrap();
        assert_eq!(packet.kind, Kind::Unreachable);
        assert_eq!(packet.to.to_string(), "10.9.0.2:4660");
        assert_eq!(packet.from.port(), 53);
        assert_eq!(Packet::read(&[0x60; 40]), None);
    }
}
