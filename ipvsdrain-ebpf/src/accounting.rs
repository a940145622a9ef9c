//! How many flows of a real server are live, at constant cost for whoever asks.
//!
//! Each server has one [`Ring`] of per-second buckets per [`Class`]. A flow is one unit, and lies in the bucket of
//! the second it was last seen in. A packet moves its flow's unit at most once a second; live flows within a window
//! are the sum of the window's buckets. Buckets are never cleared: one that carries an older second is empty.
//!
//! Exact under concurrent CPUs, without a loop or a lock: a unit is added to its new bucket *before* the flow's
//! place says so, and whoever swaps the place out removes what it found there. So nothing is removed that was not
//! added first, and for a moment a flow can count twice, never zero times.

use crate::cell::Cell;

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

/// A class and a second, packed into the 64 bits a flow keeps: `(class + 1) << 32 | second`; 0 is nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u64);

impl Place {
    pub const NOWHERE: Place = Place(0);

    /// The place of a flow of `class` last seen in `second`.
    #[inline(always)]
    pub const fn at(class: Class, second: u32) -> Self {
        Self(((class as u64 + 1) << 32) | second as u64)
    }

    pub const fn bits(self) -> u64 {
        self.0
    }

    #[inline(always)]
    const fn second(self) -> u32 {
        self.0 as u32
    }

    /// The class's index, or more than any index for [`Place::NOWHERE`].
    #[inline(always)]
    const fn class_index(self) -> u64 {
        (self.0 >> 32).wrapping_sub(1)
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
    /// Moves a flow to `new`, where its packet was just seen; `place` is the flow's own cell. Returns whether the
    /// flow was nowhere before. `now` is the second of `new`.
    #[inline(always)]
    pub fn packet(&self, place: &Cell, new: Place) -> bool {
        if place.load() == new.0 {
            return false;
        }
        self.add(new);
        let old = Place(place.swap(new.0));
        // `old == new` means another CPU was faster: the unit just added is one too many.
        self.remove(old, new.second());
        old == Place::NOWHERE
    }

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
