//! What the supervisor has counted since the daemon began. Whoever only looks gets a copy.

use std::collections::BTreeMap;

use super::journal::Effort;
use super::request::RequestError;
use crate::drain::Refusal;

/// Why a drain that was asked for did not begin, where that was no [`Refusal`].
const NO_JOURNAL: &str = "journal";

/// Of a restore alone: a drain is never refused for it.
const NOT_FOR_DRAINS: &str = "nothing_to_restore";

/// Counts since the daemon began.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Drains that were asked for and refused, by cause. Every cause there is has its number.
    pub refused: BTreeMap<&'static str, u64>,
    /// What the journal took.
    pub journal: Effort,
}

impl Default for Tally {
    /// Nothing happened yet.
    fn default() -> Self {
        let of_drains = |word: &&str| *word != NOT_FOR_DRAINS;
        let words = Refusal::WORDS.into_iter().filter(of_drains);
        Self {
            refused: words.chain([NO_JOURNAL]).map(|word| (word, 0)).collect(),
            journal: Effort::default(),
        }
    }
}

impl Tally {
    /// A drain that was asked for did not begin.
    pub(super) fn refuse(&mut self, error: &RequestError) {
        let word = match error {
            RequestError::Refused(refusal) => refusal.word(),
            RequestError::Journal(_) => NO_JOURNAL,
            // None of them is an answer to that.
            RequestError::Unread(_)
            | RequestError::Host(_)
            | RequestError::Stopping
            | RequestError::NotWatched { .. } => return,
        };
        *self.refused.entry(word).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_there_from_the_start_and_counts_by_itself() {
        let mut tally = Tally::default();
        assert!(tally.refused.values().all(|number| *number == 0));
        assert!(tally.refused.contains_key("floor") && tally.refused.contains_key("journal"));
        assert!(!tally.refused.contains_key("nothing_to_restore"));
        let causes = tally.refused.len();
        tally.refuse(&Refusal::ForceNeedsReason.into());
        tally.refuse(&Refusal::ForceNeedsReason.into());
        tally.refuse(&RequestError::Stopping);
        assert_eq!((tally.refused["no_reason"], tally.refused["floor"]), (2, 0));
        assert_eq!(tally.refused.len(), causes);
    }
}
