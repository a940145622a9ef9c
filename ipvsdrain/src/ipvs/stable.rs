//! When a dump may be trusted. Pure: it is told what each read brought, and says whether to read again.
//!
//! The kernel hands out a long list in chunks and continues by position. A change between two chunks shifts the
//! positions: an addition repeats an entry, a removal skips one, and nothing in the reply says so. What fits into one
//! chunk was walked in one go and is whole. Anything longer counts only when two reads in a row bring the same keys,
//! each exactly once, and were cut at different places. The last point matters: a server that is added and removed over
//! and over skips the entry behind the cut each time it goes between two chunks, so two reads cut alike can agree on a
//! list that lacks the same entry (seen on 7.3). Cutting them differently is the caller's part.

use std::collections::BTreeSet;

/// Reads that are tried before giving up on a list that does not hold still.
pub(super) const ATTEMPTS: u32 = 16;

/// What one read of a list brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coherence {
    /// Walked by the kernel in one go.
    Whole,
    /// Put together from several chunks.
    Chunks,
    /// The kernel said that the list changed, or a part of the reply was lost.
    Broken,
}

/// Compares each read with the one before.
#[derive(Debug)]
pub(super) struct Settling<K> {
    previous: Option<BTreeSet<K>>,
}

impl<K: Ord> Settling<K> {
    pub(super) fn new() -> Self {
        Settling { previous: None }
    }

    /// Whether the read that brought `keys` is the list as it was at one moment.
    pub(super) fn settled(&mut self, coherence: Coherence, keys: impl IntoIterator<Item = K>) -> bool {
        let mut unique = BTreeSet::new();
        let repeated = keys.into_iter().any(|key| !unique.insert(key));
        if repeated || coherence == Coherence::Broken {
            self.previous = None;
            return false;
        }
        if coherence == Coherence::Whole || self.previous.as_ref() == Some(&unique) {
            return true;
        }
        self.previous = Some(unique);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_one_chunk_is_taken_at_once() {
        assert!(Settling::new().settled(Coherence::Whole, [1, 2, 3]));
        assert!(Settling::<u8>::new().settled(Coherence::Whole, []));
    }

    #[test]
    fn a_list_in_chunks_is_taken_when_it_was_read_twice_the_same() {
        let mut settling = Settling::new();
        assert!(!settling.settled(Coherence::Chunks, [1, 2, 3]));
        assert!(
            settling.settled(Coherence::Chunks, [3, 2, 1]),
            "the order may differ, the keys may not"
        );
    }

    #[test]
    fn a_skipped_entry_is_noticed() {
        let mut settling = Settling::new();
        assert!(!settling.settled(Coherence::Chunks, [1, 2, 3, 4]));
        assert!(
            !settling.settled(Coherence::Chunks, [1, 2, 4]),
            "a removal between chunks skipped 3"
        );
        assert!(!settling.settled(Coherence::Chunks, [2, 3, 4]));
        assert!(settling.settled(Coherence::Chunks, [2, 3, 4]));
    }

    #[test]
    fn a_repeated_entry_is_never_taken_nor_compared_with() {
        let mut settling = Settling::new();
        assert!(!settling.settled(Coherence::Whole, [1, 1]));
        assert!(!settling.settled(Coherence::Chunks, [1, 2, 2]));
        assert!(
            !settling.settled(Coherence::Chunks, [1, 2]),
            "the read before had a repetition"
        );
        assert!(settling.settled(Coherence::Chunks, [1, 2]));
    }

    #[test]
    fn a_broken_read_starts_over() {
        let mut settling = Settling::new();
        assert!(!settling.settled(Coherence::Chunks, [1]));
        assert!(!settling.settled(Coherence::Broken, [1]));
        assert!(!settling.settled(Coherence::Chunks, [1]));
        assert!(settling.settled(Coherence::Chunks, [1]));
    }
}
