//! An attempt to watch a server that failed, and when to try again.
//!
//! An attempt loads programs and attaches filters to interfaces before it can fail. Drains ask twice a second.

use std::time::Duration;

use crate::moment::Moment;

/// What is in the way is an operator's to mend, and nobody does that faster.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct WatchFault {
    pub(super) at: Moment,
    pub(super) why: String,
}

impl WatchFault {
    /// Long enough ago for another attempt.
    pub(super) fn may_have_passed(&self, now: Moment) -> bool {
        now.since(self.at) >= AGAIN_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_tried_again_after_five_seconds_and_not_before() {
        let fault = WatchFault {
            at: Moment::from_secs(100),
            why: "a permission is missing".to_owned(),
        };
        let after = |millis| fault.may_have_passed(fault.at + Duration::from_millis(millis));
        assert!(!after(0) && !after(4999) && after(5000));
    }
}
