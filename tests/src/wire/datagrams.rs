//! Datagrams of the wire: what the client sent and no server got, what servers answered and the client did not get.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::packet::Kind;
use super::{Note, Spot};

/// Sent and lost, both ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Datagrams {
    pub sent: u64,
    pub bytes: u64,
    /// Of those: how many reached no server.
    pub lost: u64,
    pub answers: u64,
    /// Of those: how many did not reach the client.
    pub answers_lost: u64,
    /// How often the client was told that there is nobody.
    pub unreachable: u64,
    /// Ports that the client sent from.
    pub flows: u64,
    /// Of those: how many had datagrams at more than one server. Whatever a server knew of such a client is with another.
    pub moved: u64,
}

impl Datagrams {
    pub(super) fn of(notes: &[Note]) -> Self {
        let mut count = Self::default();
        // By the client's port and by what they carry: sent less received.
        let mut requests: HashMap<(u16, u64), i64> = HashMap::new();
        let mut answers: HashMap<(u16, u64), i64> = HashMap::new();
        // By the client's port.
        let mut receivers: HashMap<u16, HashSet<u16>> = HashMap::new();
        for note in notes {
            let packet = note.packet;
            let content = match packet.kind {
                Kind::Datagram { content } => content,
                Kind::Unreachable if note.spot == Spot::Client && !note.is_out => {
                    count.unreachable += 1;
                    continue;
                }
                Kind::Unreachable | Kind::Segment { .. } => continue,
            };
            let (request, answer) = ((packet.from.port(), content), (packet.to.port(), content));
            match (note.spot, note.is_out) {
                (Spot::Client, true) => {
                    count.sent += 1;
                    count.bytes += u64::from(packet.bytes);
                    *requests.entry(request).or_default() += 1;
                    receivers.entry(packet.from.port()).or_default();
                }
                (Spot::Server(server), false) => {
                    *requests.entry(request).or_default() -= 1;
                    receivers.entry(packet.from.port()).or_default().insert(server.0);
                }
                (Spot::Server(_), true) => {
                    count.answers += 1;
                    *answers.entry(answer).or_default() += 1;
                }
                (Spot::Client, false) => *answers.entry(answer).or_default() -= 1,
            }
        }
        let missing = |ways: &HashMap<_, i64>| ways.values().map(|left| left.max(&0).unsigned_abs()).sum();
        count.lost = missing(&requests);
        count.answers_lost = missing(&answers);
        count.flows = receivers.len() as u64;
        count.moved = receivers.values().filter(|servers| servers.len() > 1).count() as u64;
        count
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use ipvsdrain::moment::Moment;

    use super::*;
    use crate::ledger::Server;
    use crate::wire::packet::Packet;

    fn note(spot: Spot, is_out: bool, from: &str, to: &str, kind: Kind) -> Note {
        let at = |text: &str| text.parse::<SocketAddrV4>().unwrap();
        let packet = Packet {
            from: at(from),
            to: at(to),
            bytes: 10,
            kind,
        };
        Note {
            at: Moment::from_nanos(0),
            spot,
            is_out,
            packet,
        }
    }

    #[test]
    fn what_one_end_sent_and_the_other_did_not_get_is_lost_under_any_forwarding() {
        let content = |content| Kind::Datagram { content };
        let (client, server) = ("10.9.0.2:4000", Spot::Server(Server(1)));
        let (vip, own) = ("10.0.0.1:53", "10.1.0.5:53");
        let mut notes = vec![
            note(Spot::Client, true, client, vip, content(1)),
            note(Spot::Client, true, client, vip, content(1)),
            note(Spot::Client, true, client, vip, content(2)),
            // Under masquerade the server has another address.
            note(server, false, client, own, content(1)),
            note(server, true, own, client, content(7)),
            note(server, true, own, client, content(8)),
            note(Spot::Client, false, vip, client, content(7)),
            note(Spot::Client, false, vip, client, Kind::Unreachable),
        ];
        let count = Datagrams::of(&notes);
        assert_eq!((count.sent, count.bytes, count.lost), (3, 30, 2));
        assert_eq!((count.answers, count.answers_lost, count.unreachable), (2, 1, 1));
        notes.push(note(server, false, client, own, content(1)));
        notes.push(note(server, false, client, own, content(2)));
        assert_eq!(Datagrams::of(&notes).lost, 0);
    }

    #[test]
    fn a_flow_with_two_servers_was_moved() {
        let kind = Kind::Datagram { content: 1 };
        let (vip, own) = ("10.0.0.1:53", "10.1.0.5:53");
        let got = |server, client| note(Spot::Server(Server(server)), false, client, own, kind);
        let notes = [
            note(Spot::Client, true, "10.9.0.2:4000", vip, kind),
            got(1, "10.9.0.2:4001"),
            got(1, "10.9.0.2:4002"),
            got(1, "10.9.0.2:4002"),
            got(2, "10.9.0.2:4002"),
        ];
        let count = Datagrams::of(&notes);
        assert_eq!((count.flows, count.moved), (3, 1));
    }
}
