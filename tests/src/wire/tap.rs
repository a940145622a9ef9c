//! One tap: every packet of IPv4 that a machine's `eth0` sends or gets, with the time.
//!
//! Owns the packet socket. What the kernel had no room to show is counted, so that nobody takes it for lost on the way.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockType, SockaddrLike, bind, setsockopt, socket};

use super::packet::Packet;
use super::{Note, Spot};
use crate::clock;
use crate::traffic::Worker;
use crate::world::Machine;

const ROOM_BYTES: usize = 16 << 20;
/// The beginning of a packet that is read; datagrams here are shorter.
const READ_BYTES: usize = 2048;
const OUTGOING: u8 = 4;

/// What all taps of a world write into.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) notes: Mutex<Vec<Note>>,
    pub(super) missed: AtomicU64,
}

pub(super) fn start(machine: &Machine, spot: Spot, book: &Arc<Book>) -> Result<Worker> {
    let socket = machine
        .within(open)
        .with_context(|| format!("cannot tap namespace {}", machine.name()))?;
    let book = Arc::clone(book);
    Worker::start("tap", machine, move |stop| {
        loop {
            let wake = stop.wait(&[socket.as_fd()], None)?;
            read_all(&socket, spot, &book)?;
            if wake.stopped {
                book.missed.fetch_add(missed(&socket)?, Ordering::Relaxed);
                return Ok(());
            }
        }
    })
}

fn open() -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Datagram, flags, None)?;
    setsockopt(&socket, RcvBufForce, &ROOM_BYTES)?;
    // All protocols: what a machine sends is shown to such sockets alone.
    bind(socket.as_raw_fd(), &every_packet(if_nametoindex("eth0")?))?;
    Ok(socket)
}

#[expect(clippy::cast_possible_truncation, reason = "they are small")]
fn every_packet(interface: u32) -> LinkAddr {
    // SAFETY: all bytes zero are a value of this plain struct.
    let mut raw: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    raw.sll_family = libc::AF_PACKET as libc::sa_family_t;
    raw.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    raw.sll_ifindex = interface.cast_signed();
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: it points to a whole `sockaddr_ll` of that family and length.
    let address = unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) };
    address.expect("an address of this family and length is one")
}

fn read_all(socket: &OwnedFd, spot: Spot, book: &Book) -> Result<()> {
    let mut bytes = [0_u8; READ_BYTES];
    loop {
        match nix::sys::socket::recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut bytes) {
            Ok((count, from)) => {
                let Some(packet) = Packet::read(&bytes[..count]) else {
                    continue;
                };
                let note = Note {
                    at: clock::now(),
                    spot,
                    is_out: from.is_some_and(|from| from.pkttype() == OUTGOING),
                    packet,
                };
                let mut notes = book.notes.lock().unwrap_or_else(PoisonError::into_inner);
                notes.push(note);
            }
            Err(Errno::EAGAIN) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("cannot read from a tap"),
        }
    }
}

/// How many packets found no room since the tap was opened.
fn missed(socket: &OwnedFd) -> Result<u64> {
    // SAFETY: all bytes zero are a value of this plain struct.
    let mut statistics: libc::tpacket_stats = unsafe { std::mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of::<libc::tpacket_stats>())?;
    // SAFETY: the kernel writes at most `length` bytes, and the struct has as many.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut length,
        )
    };
    Errno::result(answer).context("cannot ask a tap what it missed")?;
    Ok(u64::from(statistics.tp_drops))
}
