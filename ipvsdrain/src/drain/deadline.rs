//! The two deadlines of a drain: the soft one warns, the hard one acts.

use serde::{Deserialize, Serialize};

use super::action::Note;
use super::policy::{OnDeadline, Policy};
use super::step::Step;
use crate::moment::Moment;

/// Which deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overdue {
    Soft,
    Hard,
}

impl Overdue {
    /// At `lasted` whole seconds after the request.
    fn after(lasted: u64, policy: &Policy) -> Option<Self> {
        let passed = |deadline: Option<u32>| deadline.is_some_and(|secs| lasted >= u64::from(secs));
        if passed(policy.deadline_secs) {
            Some(Overdue::Hard)
        } else {
            passed(policy.soft_deadline_secs).then_some(Overdue::Soft)
        }
    }
}

impl Step {
    /// Notes a deadline that has passed, once each. What is to be done from the hard one on.
    pub(super) fn on_deadline(&mut self, now: Moment) -> Option<OnDeadline> {
        let policy = self.record.policy;
        let lasted = now.since(self.record.asked_at()).as_secs();
        let overdue = Overdue::after(lasted, &policy);
        if overdue > self.record.overdue {
            self.record.overdue = overdue;
            self.notes.extend(overdue.map(|overdue| Note::Overdue {
                overdue,
                lasted_secs: lasted,
            }));
        }
        (self.record.overdue == Some(Overdue::Hard)).then_some(policy.on_deadline)
    }
}
