//! A moment to migrate pinned UDP flows under masquerade: a reply that comes back after the removal finds no entry and
//! is lost, so the daemon waits, within bounds, until no request is unanswered.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::facts::Flows;
use crate::moment::Moment;

/// Longest wait for such a moment. Under steady traffic there may be none.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many more requests than replies there were, at the best moment so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lull {
    since: Moment,
    least: i64,
}

impl Lull {
    pub(super) fn sample(before: Option<Self>, flows: &Flows, now: Moment) -> Self {
        let open = unanswered(flows);
        before.map_or(
            Self {
                since: now,
                least: open,
            },
            |before| Self {
                least: before.least.min(open),
                ..before
            },
        )
    }

    /// How many replies a removal right now may cost; `None` while a better moment may come.
    ///
    /// The first sample compares with itself and proves nothing, so there are two at least.
    pub(super) fn risk(&self, flows: &Flows, now: Moment) -> Option<u64> {
        let open = u64::try_from(unanswered(flows) - self.least).unwrap_or(0);
        let waited = now.since(self.since);
        let calm = open == 0 && waited > Duration::ZERO;
        (calm || waited >= PATIENCE).then_some(open)
    }
}

/// Up to a constant: some requests are never answered.
fn unanswered(flows: &Flows) -> i64 {
    let replied = flows.packets.saturating_sub(flows.forwarded);
    flows.forwarded.cast_signed().wrapping_sub(replied.cast_signed())
}

/// Servers that only receive have no replies to lose.
pub(super) fn is_answering(flows: &Flows) -> bool {
    flows.packets > flows.forwarded
}

#[cfg(test)]
mod tests {
    use super::super::step_tests::{at, flows};
    use super::*;

    fn seen(forwarded: u64, replied: u64) -> Flows {
        Flows {
            forwarded,
            packets: forwarded + replied,
            ..flows()
        }
    }

    #[test]
    fn the_moment_with_the_fewest_open_requests_is_taken() {
        // Two requests were never answered; three are under way at first.
        let first = Lull::sample(None, &seen(105, 100), at(0));
        assert_eq!(
            first.risk(&seen(105, 100), at(0)),
            None,
            "nothing to compare with"
        );
        let calm = Lull::sample(Some(first), &seen(110, 108), at(1));
        assert_eq!(calm.risk(&seen(110, 108), at(1)), Some(0));
        let busy = Lull::sample(Some(calm), &seen(114, 110), at(2));
        assert_eq!(busy.risk(&seen(114, 110), at(2)), None);
        assert_eq!(busy.risk(&seen(114, 110), at(9)), None);
        assert_eq!(busy.risk(&seen(114, 110), at(10)), Some(2), "the risk is told");
    }

    #[test]
    fn a_server_that_only_receives_has_nothing_to_lose() {
        assert!(!is_answering(&seen(7, 0)));
        assert!(is_answering(&seen(7, 1)));
    }
}
