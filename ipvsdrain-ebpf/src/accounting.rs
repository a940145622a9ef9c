//! How many flows of a real server are live, at constant cost for whoever asks.
//!
//! Each server has one [`Ring`] of per-second buckets per [`Class`]. A flow is one unit, and lies in the bucket of
//! the second it was last seen in. A packet moves its flow's unit at most once a second; live flows within a window
//! are the sum of the window's buckets. Buckets are never cleared: one that carries an older second is empty.
//!
//! A flow belongs to one server at a time. Where its unit lies is one number, its [`Place`], which names the watch of
//! that server too: a flow that IPVS hands to another server takes its unit along.
//!
//! Exact under concurrent CPUs, without a loop or a lock: a unit is added to its new bucket *before* the flow's
//! place says so, and whoever swaps the place out removes what it found there. So nothing is removed that was not
//! added first, and for a moment a flow can count twice, never zero times.

use crate::cell::Cell;
use crate::layout::{SLOTS, Tally, Watch};

/// Seconds in a ring.
pub const RING_SECONDS: u32 = 256;

/// The longest window that can be asked for, in seconds. A unit older than this is left to fall out: a bucket is
/// touched for the last time seconds before it is used again, so two CPUs never see it as two different seconds.
pub const LONGEST_WINDOW: u32 = 250;

const INDEX_MASK: u32 = RING_SECONDS - 1;
const _: () = assert!(RING_SECONDS.is_power_of_two() && LONGEST_WINDOW + 4 < RING_SECONDS);

/// What decides how long a silent flow stays live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Class {
    /// UDP, and everything that has no connection state we follow.
    Udp = 0,
    /// TCP in a state that IPVS counts as active: `SYN_SENT`, `SYN_RECV`, `SYNACK`, `ESTABLISHED`. SCTP from its INIT
    /// on, until it is shut down.
    TcpOpen = 1,
    /// TCP in any other state: past FIN or RST. SCTP past SHUTDOWN or ABORT.
    TcpClosing = 2,
}

/// How many classes there are.
pub const CLASSES: usize = 3;

/// TCP states of `include/net/ip_vs.h` that IPVS counts as active; the numbers are equal in 5.10 to 7.2.
const TCP_ACTIVE: [u16; 4] = [1, 2, 3, 10];
const TCP: u16 = 6;

/// The first and the last SCTP state of an association that is being opened or open: `INIT1` and `ESTABLISHED`. IPVS
/// itself counts the last one alone as active. The numbers are equal in 6.1 to 7.3.
const SCTP_OPEN: (u16, u16) = (1, 8);
const SCTP: u16 = 132;

impl Class {
    /// The class of a flow of this IP protocol, in this IPVS state.
    #[inline(always)]
    pub fn of(protocol: u16, state: u16) -> Class {
        let is_open = if protocol == TCP {
            state == TCP_ACTIVE[0]
                || state == TCP_ACTIVE[1]
                || state == TCP_ACTIVE[2]
                || state == TCP_ACTIVE[3]
        } else if protocol == SCTP {
            state >= SCTP_OPEN.0 && state <= SCTP_OPEN.1
        } else {
            return Class::Udp;
        };
        if is_open {
            Class::TcpOpen
        } else {
            Class::TcpClosing
        }
    }
}

/// Where a flow's unit lies, in the 64 bits a flow keeps; 0 is nowhere. From the lowest bit: 32 of the second, 2 of
/// `class + 1`, 9 of the server's slot, 21 of the watch's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u64);

const CLASS_SHIFT: u32 = 32;
const SLOT_SHIFT: u32 = 34;
const ID_SHIFT: u32 = 43;
const _: () = assert!(SLOTS <= 1 << (ID_SHIFT - SLOT_SHIFT));

/// Ids of watches go from 1 to this, and around again.
pub const LAST_ID: u32 = (1 << (u64::BITS - ID_SHIFT)) - 1;

impl Place {
    pub const NOWHERE: Place = Place(0);

    /// The place of a flow of `class`, last seen in `second`, under `watch`.
    #[inline(always)]
    pub const fn at(watch: Watch, class: Class, second: u32) -> Self {
        let owner = (watch.id as u64) << ID_SHIFT | (watch.slot as u64) << SLOT_SHIFT;
        Self(owner | (class as u64 + 1) << CLASS_SHIFT | second as u64)
    }

    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The watch the flow belongs to; of [`Place::NOWHERE`] an id that no watch has.
    #[inline(always)]
    pub const fn watch(self) -> Watch {
        Watch {
            slot: (self.0 >> SLOT_SHIFT) as u32 & (SLOTS - 1),
            id: (self.0 >> ID_SHIFT) as u32,
        }
    }

    #[inline(always)]
    const fn has_owner_of(self, other: Place) -> bool {
        self.0 >> SLOT_SHIFT == other.0 >> SLOT_SHIFT
    }

    #[inline(always)]
    const fn second(self) -> u32 {
        self.0 as u32
    }

    /// The class's index, or more than any index for [`Place::NOWHERE`].
    #[inline(always)]
    const fn class_index(self) -> u64 {
        (self.0 >> CLASS_SHIFT & 3).wrapping_sub(1)
    }
}

/// What a packet meant for its flow's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It lies with the server it lay with.
    Stayed,
    /// It lay nowhere.
    Started,
    /// It lay with a watch that is over.
    Returned,
    /// It lay with the watch in this slot.
    CameFrom(u32),
}

/// Moves a flow to `new`, a place of `own`, where its packet was just seen; `place` is the flow's own cell.
/// `tally_of` finds the tally in another slot.
#[inline(always)]
pub fn packet<'a>(
    own: &'a Tally<Cell>,
    place: &Cell,
    new: Place,
    tally_of: impl Fn(u32) -> Option<&'a Tally<Cell>>,
) -> Moved {
    if place.load() == new.0 {
        return Moved::Stayed;
    }
    own.rings.add(new);
    let old = Place(place.swap(new.0));
    if old.has_owner_of(new) {
        // `old == new` means another CPU was faster: the unit just added is one too many.
        own.rings.remove(old, new.second());
        return Moved::Stayed;
    }
    if old == Place::NOWHERE {
        return Moved::Started;
    }
    let Watch { slot, id } = old.watch();
    match tally_of(slot) {
        Some(other) if other.watch.load() == id as u64 => {
            other.rings.remove(old, new.second());
            Moved::CameFrom(slot)
        }
        _ => Moved::Returned,
    }
}

/// Per-second buckets: each `second << 32 | units`. `T` is [`Cell`] where units are counted, `u64` in a copy.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Ring<T> {
    pub buckets: [T; RING_SECONDS as usize],
}

/// The rings of one server, one per class.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Rings<T> {
    pub classes: [Ring<T>; CLASSES],
}

const UNIT: u64 = 1;

impl Rings<Cell> {
    #[inline(always)]
    fn bucket(&self, place: Place) -> Option<&Cell> {
        let ring = self.classes.get(place.class_index() as usize)?;
        // The mask keeps the index inside, which the verifier can follow.
        ring.buckets.get((place.second() & INDEX_MASK) as usize)
    }

    #[inline(always)]
    fn add(&self, place: Place) {
        let Some(bucket) = self.bucket(place) else { return };
        let seen = bucket.load();
        // A bucket of another second is empty by definition. If it changed meanwhile, another CPU has started this
        // very second, since nobody touches a bucket this long after its own.
        if (seen >> 32) as u32 != place.second()
            && bucket.replace(seen, ((place.second() as u64) << 32) | UNIT)
        {
            return;
        }
        bucket.add(UNIT);
    }

    #[inline(always)]
    fn remove(&self, place: Place, now: u32) {
        // Signed, because another CPU's clock reading may lie a little ahead of ours.
        let age = now.wrapping_sub(place.second()) as i32;
        if age > LONGEST_WINDOW as i32 {
            return;
        }
        let Some(bucket) = self.bucket(place) else { return };
        if (bucket.load() >> 32) as u32 == place.second() {
            bucket.subtract(UNIT);
        }
    }
}

impl Ring<u64> {
    /// Flows last seen in the seconds `(now - window, now]`, and those a racing clock put just after `now`.
    /// `window` is in seconds, at most [`LONGEST_WINDOW`]; more is cut to it.
    pub fn live(&self, window: u32, now: u32) -> u64 {
        let window = if window > LONGEST_WINDOW {
            LONGEST_WINDOW
        } else {
            window
        };
        self.buckets
            .iter()
            .filter(|bucket| {
                let age = i64::from(now) - i64::from((**bucket >> 32) as u32);
                age < i64::from(window) && age >= -1
            })
            .map(|bucket| bucket & 0xffff_ffff)
            .sum()
    }
}
