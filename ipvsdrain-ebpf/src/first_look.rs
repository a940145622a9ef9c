//! Two ways to be quick about a packet: which servers cannot be watched, and which are known to be.
//!
//! [`Filter`] answers for the many packets of servers nobody cares for, from the server's address alone. [`Known`]
//! remembers for a second what a full look at a destination said. Neither decides alone that a server is watched.

use crate::cell::Cell;
use crate::layout::Watch;

const WORDS: usize = 64;
const BITS: u32 = WORDS as u32 * 64;

/// A set of server addresses that may say yes wrongly, never no: one bit per hashed address, 4096 of them.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Filter<T> {
    pub words: [T; WORDS],
    /// How many unwatched connections were checked for plausibility since the set was last written.
    pub checked: T,
    /// Another number each time the set is written.
    pub generation: T,
    /// Not 0 while arrivals are witnessed: then the set also holds servers a flow may be handed to.
    pub arrivals: T,
}

impl Filter<u64> {
    pub const EMPTY: Filter<u64> = Filter {
        words: [0; WORDS],
        checked: 0,
        generation: 0,
        arrivals: 0,
    };

    /// Adds an address: words in memory order, of an IPv4 address only the first.
    pub const fn add(&mut self, addr: [u32; 4], is_v6: bool) {
        let bit = bit(if is_v6 { fold(addr) } else { addr[0] });
        self.words[(bit / 64) as usize] |= 1 << (bit % 64);
    }
}

impl Filter<Cell> {
    /// Whether the server at `addr` may be watched. The family is not asked for, so that reading it can be spared;
    /// what follows an IPv4 address in memory can only lead to a needless yes.
    #[inline(always)]
    pub fn may_hold(&self, addr: &[u32; 4]) -> bool {
        self.has(bit(addr[0])) || self.has(bit(fold(*addr)))
    }

    #[inline(always)]
    fn has(&self, bit: u32) -> bool {
        self.words
            .get((bit / 64) as usize)
            .is_some_and(|word| word.load() & (1 << (bit % 64)) != 0)
    }
}

#[inline(always)]
const fn fold(addr: [u32; 4]) -> u32 {
    addr[0] ^ addr[1] ^ addr[2] ^ addr[3]
}

/// Spreads a word over the bits: multiplied by 2^32 over the golden ratio, the topmost bits are the most mixed.
#[inline(always)]
const fn bit(word: u32) -> u32 {
    word.wrapping_mul(0x9e37_79b1) >> (32 - BITS.trailing_zeros())
}

/// How many destinations can be remembered at once. A power of two.
pub const PLACES: u32 = 1024;

/// What a full look at a destination said. One number and no `enum`: of an alternative without content LLVM may move
/// the content all the same, and the verifier refuses to move what was never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look(u64);

impl Look {
    /// It was not looked at, or could not be.
    pub const UNKNOWN: Look = Look(0);

    #[inline(always)]
    pub const fn watched(watch: Watch) -> Self {
        Self((watch.id as u64) << 32 | watch.slot as u64)
    }

    /// Nobody watches it, in this `generation` of the filter.
    #[inline(always)]
    pub const fn other(generation: u64) -> Self {
        Self(generation << 32 | NO_SLOT as u64)
    }

    /// Who watches it. Means something where [`Look::is_watched`].
    #[inline(always)]
    pub const fn watch(self) -> Watch {
        Watch {
            slot: self.0 as u32,
            id: (self.0 >> 32) as u32,
        }
    }

    #[inline(always)]
    pub const fn is_watched(self) -> bool {
        self.0 != 0 && self.0 as u32 != NO_SLOT
    }

    #[inline(always)]
    pub const fn is_other(self) -> bool {
        self.0 as u32 == NO_SLOT
    }
}

/// One destination and what a full look at it said, valid within the second of that look. Only for so long, because
/// the kernel may free a destination and use its memory for another; IPVS takes minutes for that, unless a network
/// namespace ends. That nobody watches it is also valid only until the filter is written anew.
///
/// Several CPUs write and read without a lock. The key is kept combined with the value, so halves of two different
/// entries fit no destination.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Known<T> {
    pub key: T,
    pub value: T,
}

const SLOT_BITS: u32 = 10;
const SECOND_BITS: u32 = 32 - SLOT_BITS;
/// In place of a slot: nobody watches it, and in place of the id stands the filter's generation.
const NO_SLOT: u32 = (1 << SLOT_BITS) - 1;
const _: () = assert!(crate::layout::SLOTS <= NO_SLOT);

impl Known<Cell> {
    /// Where the destination at this address would be remembered.
    #[inline(always)]
    pub fn place(dest: u64) -> u32 {
        // Of the lower half alone: where the verifier knows the address for a pointer, it allows no shift of the whole.
        (dest as u32 >> 6).wrapping_mul(0x9e37_79b1) >> (32 - PLACES.trailing_zeros())
    }

    /// What was said, if this is `dest`, looked at in `second`, under this `generation` of the filter.
    #[inline(always)]
    pub fn recall(&self, dest: u64, second: u32, generation: u64) -> Look {
        let value = self.value.load();
        if self.key.load() ^ value != dest || (value as u32) >> SLOT_BITS != cut(second) {
            return Look::UNKNOWN;
        }
        let look = Look(value & (0xffff_ffff << 32 | NO_SLOT as u64));
        if look.is_other() && look != Look::other(generation) {
            return Look::UNKNOWN;
        }
        look
    }

    #[inline(always)]
    pub fn keep(&self, dest: u64, second: u32, look: Look) {
        let value = look.0 | (cut(second) << SLOT_BITS) as u64;
        self.key.store(dest ^ value);
        self.value.store(value);
    }
}

/// Enough of a second to tell it from others for 48 days.
#[inline(always)]
const fn cut(second: u32) -> u32 {
    second & ((1 << SECOND_BITS) - 1)
}
