//! TCP connections of the wire, as the client saw them: opened, refused, reset, stuck.

use std::collections::HashMap;
use std::time::Duration;

use ipvsdrain::moment::Moment;
use serde::Serialize;

use super::packet::{ACK, FIN, Kind, RST, SYN};
use super::{Note, Spot};

/// What the client sent and nobody acknowledged for this long is taken for stuck.
const STUCK: Duration = Duration::from_secs(5);

/// How connections fared. One that ended as it should is in none but the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// Whose first SYN was sent.
    pub opened: u64,
    /// Answered by a reset, or by nobody.
    pub refused: u64,
    /// Once established, ended by a reset that the client got.
    pub reset: u64,
    /// Once established, not acknowledged again until the end, or until the client gave up.
    pub stuck: u64,
}

/// One connection so far.
#[derive(Debug)]
struct Connection {
    first_sequence: u32,
    opened: Moment,
    is_established: bool,
    end: Option<End>,
    /// Behind the last byte sent, and behind the last one acknowledged.
    sent: u32,
    acknowledged: u32,
    unacknowledged_since: Option<Moment>,
}

/// A reset, either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client got it.
    Reset,
    /// The client sent it.
    GivenUp,
    /// The client sent it, after nothing had been acknowledged for long.
    GivenUpStuck,
}

impl Connections {
    pub(super) fn of(notes: &[Note], end: Moment) -> Self {
        let mut count = Self::default();
        let mut open: HashMap<u16, Connection> = HashMap::new();
        for note in notes.iter().filter(|note| note.spot == Spot::Client) {
            let Kind::Segment { sequence, flags, .. } = note.packet.kind else {
                continue;
            };
            let ports = (note.packet.from.port(), note.packet.to.port());
            let port = if note.is_out { ports.0 } else { ports.1 };
            if note.is_out && flags & (SYN | ACK) == SYN {
                let is_known = |known: &Connection| known.first_sequence == sequence;
                if !open.get(&port).is_some_and(is_known) {
                    count.opened += 1;
                    let earlier = open.insert(port, Connection::new(sequence, note.at));
                    count.add(earlier.as_ref(), note.at);
                }
            } else if let Some(connection) = open.get_mut(&port) {
                connection.take(note);
            }
        }
        for connection in open.values() {
            count.add(Some(connection), end);
        }
        count
    }

    fn add(&mut self, ended: Option<&Connection>, at: Moment) {
        let Some(connection) = ended else { return };
        let since = |moment: Moment| at.since(moment) > STUCK;
        let is_reset = connection.end == Some(End::Reset);
        if !connection.is_established {
            self.refused += u64::from(is_reset || since(connection.opened));
        } else if is_reset {
            self.reset += 1;
        } else {
            let is_stuck = connection.end == Some(End::GivenUpStuck)
                || connection.unacknowledged_since.is_some_and(since);
            self.stuck += u64::from(is_stuck);
        }
    }
}

impl Connection {
    fn new(first_sequence: u32, opened: Moment) -> Self {
        Self {
            first_sequence,
            opened,
            is_established: false,
            end: None,
            sent: first_sequence.wrapping_add(1),
            acknowledged: first_sequence,
            unacknowledged_since: None,
        }
    }

    fn take(&mut self, note: &Note) {
        let Kind::Segment {
            sequence,
            acknowledged,
            flags,
        } = note.packet.kind
        else {
            return;
        };
        if self.end.is_some() {
            return;
        }
        if !note.is_out {
            self.end = (flags & RST != 0).then_some(End::Reset);
            self.is_established |= flags & (SYN | ACK) == SYN | ACK;
            if flags & ACK != 0 && is_behind(self.acknowledged, acknowledged) {
                self.acknowledged = acknowledged;
            }
        } else if flags & RST != 0 {
            let is_late = |since| note.at.since(since) > STUCK;
            self.end = Some(if self.unacknowledged_since.is_some_and(is_late) {
                End::GivenUpStuck
            } else {
                End::GivenUp
            });
        } else {
            let length = note.packet.bytes + u32::from(flags & FIN != 0);
            let behind = sequence.wrapping_add(length);
            if is_behind(self.sent, behind) {
                self.sent = behind;
            }
        }
        if !is_behind(self.acknowledged, self.sent) || self.end.is_some() {
            self.unacknowledged_since = None;
        } else if self.is_established {
            self.unacknowledged_since = self.unacknowledged_since.or(Some(note.at));
        }
    }
}

/// Whether `other` is further on, as sequence numbers go.
fn is_behind(this: u32, other: u32) -> bool {
    other.wrapping_sub(this).cast_signed() > 0
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use super::*;
    use crate::wire::packet::Packet;

    const OPENING: [(u64, bool, u32, u32, u8, u32); 3] = [
        (0, true, 99, 0, SYN, 0),
        (0, false, 500, 100, SYN | ACK, 0),
        (0, true, 100, 501, ACK, 0),
    ];

    /// Of each segment: second, whether the client sent it, sequence, acknowledged, flags, bytes.
    fn fared(segments: &[(u64, bool, u32, u32, u8, u32)], end: u64) -> Connections {
        let seconds = |seconds: u64| Moment::from_nanos(seconds * 1_000_000_000);
        let notes: Vec<Note> = segments
            .iter()
            .map(|(at, is_out, sequence, acknowledged, flags, bytes)| {
                let (client, vip) = (
                    SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), 4000),
                    SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 80),
                );
                let (from, to) = if *is_out { (client, vip) } else { (vip, client) };
                let kind = Kind::Segment {
                    sequence: *sequence,
                    acknowledged: *acknowledged,
                    flags: *flags,
                };
                Note {
                    at: seconds(*at),
                    spot: Spot::Client,
                    is_out: *is_out,
                    packet: Packet {
                        from,
                        to,
                        bytes: *bytes,
                        kind,
                    },
                }
            })
            .collect();
        Connections::of(&notes, seconds(end))
    }

    fn after_opening(more: &[(u64, bool, u32, u32, u8, u32)], end: u64) -> Connections {
        fared(&[OPENING.as_slice(), more].concat(), end)
    }

    #[test]
    fn one_that_is_acknowledged_is_well_however_long_it_is_idle() {
        let well = Connections {
            opened: 1,
            ..Connections::default()
        };
        assert_eq!(after_opening(&[], 900), well);
        let closed = [
            (1, true, 100, 501, ACK, 10),
            (1, false, 501, 110, ACK | FIN, 0),
            (2, true, 110, 502, ACK | FIN, 0),
            (2, false, 502, 111, ACK, 0),
        ];
        assert_eq!(after_opening(&closed, 900), well);
    }

    #[test]
    fn stuck_is_what_nobody_acknowledged_for_long_enough() {
        let unanswered = [(10, true, 100, 501, ACK, 10), (12, true, 100, 501, ACK, 10)];
        assert_eq!(after_opening(&unanswered, 15).stuck, 0);
        assert_eq!(after_opening(&unanswered, 16).stuck, 1);
        let given_up = [unanswered[0], (13, true, 110, 0, RST, 0)];
        assert_eq!(after_opening(&given_up, 900).stuck, 0);
        let given_up_late = [unanswered[0], (16, true, 110, 0, RST, 0)];
        assert_eq!(after_opening(&given_up_late, 900).stuck, 1);
    }

    #[test]
    fn a_reset_is_one_after_the_handshake_and_a_refusal_before_it() {
        assert_eq!(after_opening(&[(1, false, 501, 0, RST, 0)], 2).reset, 1);
        let refused = fared(&[OPENING[0], (0, false, 0, 100, RST | ACK, 0)], 1);
        assert_eq!((refused.refused, refused.reset), (1, 0));
        let again = [OPENING[0], (1, true, 99, 0, SYN, 0)];
        assert_eq!(fared(&again, 5).refused, 0);
        let silent = fared(&again, 6);
        assert_eq!((silent.opened, silent.refused), (1, 1));
    }
}
