//! A table read from memory, at a pace of the test's own.

use std::io::{self, Read};
use std::time::Duration;

use proptest::prelude::*;

use super::{SeedSummary, read_from};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

const HEADER: &str = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";

const TABLE: &str = "\
TCP 0A090002 9C40 0A000001 1F90 0A010005 1F90 ESTABLISHED     899
TCP 0A090002 9C41 0A000001 1F90 0A010005 1F90 SYN_RECV         59
TCP 0A090002 9C42 0A000001 1F90 0A010005 1F90 FIN_WAIT        119
TCP 0A090002 0000 0A000001 1F90 0A010005 1F90 ASSURED         359
TCP 0A090002 9C43 0A000001 1F90 0A010006 1F90 ESTABLISHED     899
TCP 0A090002 9C44 0A000002 1F90 0A010005 1F90 ESTABLISHED     899
UDP 0A090002 9C45 0A000001 1F90 0A010005 1F90 UDP             300
this is no line of the kernel
";

/// Hands out what it has in pieces of `piece` bytes, as the kernel does.
struct Pieces<'a> {
    left: &'a [u8],
    piece: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let length = self.piece.min(room.len()).min(self.left.len());
        room[..length].copy_from_slice(&self.left[..length]);
        self.left = &self.left[length..];
        Ok(length)
    }
}

/// Reads `table`; every look at the clock finds it 10 ms later.
fn seed(table: &[u8], piece: usize, budget: Duration, service: &str, server: &str) -> SeedSummary {
    let service: VirtualService = service.parse().unwrap();
    let server: RealServer = server.parse().unwrap();
    let mut elapsed = Duration::ZERO;
    let clock = || {
        elapsed += Duration::from_millis(10);
        Moment::from_secs(100) + elapsed
    };
    read_from(
        &mut Pieces { left: table, piece },
        &service,
        &server,
        budget,
        clock,
        |_| {},
    )
    .unwrap()
}

const LONG: Duration = Duration::from_hours(1);

fn whole() -> Vec<u8> {
    format!("{HEADER}{TABLE}").into_bytes()
}

#[test]
fn the_entries_of_one_server_of_one_service_are_counted() {
    let found = seed(&whole(), 4096, LONG, "tcp:10.0.0.1:8080", "10.1.0.5:8080");
    assert_eq!((found.tcp_open, found.tcp_closing, found.udp), (2, 1, 0));
    assert_eq!((found.lines, found.malformed, found.complete), (8, 1, true));
    let secs = Duration::from_secs;
    assert_eq!(
        (found.first_expiry, found.last_expiry),
        (Some(secs(59)), Some(secs(899)))
    );

    let udp = seed(&whole(), 4096, LONG, "udp:10.0.0.1:8080", "10.1.0.5:8080");
    assert_eq!((udp.tcp_open, udp.tcp_closing, udp.udp), (0, 0, 1));
    let nobody = seed(&whole(), 4096, LONG, "udp:10.0.0.1:8080", "10.1.0.7:8080");
    assert_eq!((nobody.udp, nobody.first_expiry), (0, None));
}

#[test]
fn port_zero_stands_for_every_port_and_a_mark_for_every_address() {
    let any = seed(&whole(), 4096, LONG, "tcp:10.0.0.1:0", "10.1.0.5:0");
    assert_eq!((any.tcp_open, any.tcp_closing, any.udp), (2, 1, 0));
    let mark = seed(&whole(), 4096, LONG, "fwmark:7", "10.1.0.5:0");
    assert_eq!((mark.tcp_open, mark.tcp_closing, mark.udp), (3, 1, 1));
    let other_family = seed(&whole(), 4096, LONG, "fwmark6:7", "10.1.0.5:0");
    assert_eq!(other_family.tcp_open + other_family.udp, 0);
}

#[test]
fn a_budget_that_runs_out_leaves_a_partial_seed_that_says_so() {
    // Started at the first look; each call that follows costs 10 ms.
    let piece = HEADER.len() + 66;
    let read = |millis| {
        let budget = Duration::from_millis(millis);
        seed(&whole(), piece, budget, "tcp:10.0.0.1:8080", "10.1.0.5:8080")
    };
    let nothing = read(10);
    assert_eq!((nothing.lines, nothing.complete), (0, false));
    let first = read(20);
    assert_eq!((first.lines, first.tcp_open, first.complete), (1, 1, false));
    assert!(read(1000).complete);
}

#[test]
fn a_table_of_no_entries_is_complete() {
    let empty = seed(
        HEADER.as_bytes(),
        4096,
        LONG,
        "tcp:10.0.0.1:8080",
        "10.1.0.5:8080",
    );
    assert_eq!((empty.lines, empty.complete), (0, true));
    assert!(seed(b"", 4096, LONG, "tcp:10.0.0.1:8080", "10.1.0.5:8080").complete);
}

/// Random bytes, and lines of the kernel with one byte changed.
fn tables() -> impl Strategy<Value = Vec<u8>> {
    let bent = (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(place, byte)| {
        let mut table = whole();
        let place = place.index(table.len());
        table[place] = byte;
        table
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..3000), bent]
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_read_to_the_end_and_alike(table in tables(), piece in 1_usize..200) {
        let in_pieces = seed(&table, piece, LONG, "tcp:10.0.0.1:8080", "10.1.0.5:8080");
        let at_once = seed(&table, 4096, LONG, "tcp:10.0.0.1:8080", "10.1.0.5:8080");
        prop_assert_eq!(in_pieces, at_once);
        prop_assert!(in_pieces.complete);
        let counted = in_pieces.tcp_open + in_pieces.tcp_closing + in_pieces.udp + in_pieces.malformed;
        prop_assert!(counted <= in_pieces.lines);
    }
}
