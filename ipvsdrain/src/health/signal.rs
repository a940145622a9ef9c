//! What one source says about one real server: its findings, counted.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::finding::{Finding, Outcome};
use crate::moment::Moment;

/// Within so long whoever looks at servers has looked at all of them.
pub(super) const ALL_ARE_HEARD_AFTER: Duration = Duration::from_secs(30);

/// One source's word on one real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Its word, as long as it is fresh.
    word: Says,
    /// Since when: of *down*, the first failure of the row that led to it.
    since: Moment,
    passes: u32,
    failures: u32,
    /// The first of the present row of failures, and the last: when each of these looks began.
    failing_since: Moment,
    last_failure: Moment,
    last_pass: Option<Moment>,
    /// The cause of the last failure, or why there is no result.
    cause: String,
    last: Moment,
    stale_at: Moment,
    /// Before it came to its word it had said *down*.
    had_failed: bool,
    /// Its word stands until then.
    stands: bool,
    /// Its last word was *down*, also where that went stale since.
    was_down: bool,
}

/// A word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    Up,
    Down,
    /// Nothing yet, or nothing any more.
    Unknown,
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Says::Up => "up",
            Says::Down => "down",
            Says::Unknown => "unknown",
        })
    }
}

/// A failure, as others may witness it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failing {
    pub(super) since: Moment,
    /// When the look began that found it last.
    pub(super) last: Moment,
    /// It is said to go on until further notice.
    pub(super) stands: bool,
}

impl Failing {
    fn goes_on_after(&self, moment: Moment, now: Moment) -> bool {
        self.last > moment || (self.stands && now.since(moment) >= ALL_ARE_HEARD_AFTER)
    }
}

impl Signal {
    pub(super) fn new(at: Moment) -> Self {
        Self {
            word: Says::Unknown,
            since: at,
            passes: 0,
            failures: 0,
            failing_since: at,
            last_failure: at,
            last_pass: None,
            cause: String::new(),
            last: at,
            stale_at: at,
            had_failed: false,
            stands: false,
            was_down: false,
        }
    }

    /// Counts one finding. One that came too late to be the next is dropped.
    pub(super) fn hear(&mut self, finding: &Finding) {
        let at = finding.at;
        if at < self.last {
            return;
        }
        // What was said before the silence does not count towards what is said after it.
        if at > self.stale_at && !self.is_new() {
            self.passes = 0;
            self.failures = 0;
            // A word that went stale must be earned again; until then, that it was *down* is not forgotten.
            self.word = Says::Unknown;
            self.since = self.stale_at;
        }
        match &finding.outcome {
            Outcome::Passed => {
                self.passes = self.passes.saturating_add(1);
                self.failures = 0;
                self.last_pass = Some(at);
                if self.word != Says::Up && self.passes >= finding.rise {
                    self.say(Says::Up, at);
                }
            }
            Outcome::Failed(cause) => {
                if self.failures == 0 {
                    self.failing_since = finding.began;
                }
                self.last_failure = finding.began;
                self.failures = self.failures.saturating_add(1);
                self.passes = 0;
                self.cause.clone_from(cause);
                if self.word != Says::Down && self.failures >= finding.fall {
                    self.say(Says::Down, self.failing_since);
                }
            }
            // Its last word holds until it is stale: a checker that stumbles once knows no less.
            Outcome::NoResult(cause) => {
                if self.word == Says::Unknown {
                    self.cause.clone_from(cause);
                }
                self.last = at;
                return;
            }
            Outcome::Withdrawn => return,
        }
        self.last = at;
        self.stale_at = at + finding.stale_after;
        self.stands = finding.stands;
    }

    /// Was this server found well after the other one began to fail? If it failed meanwhile itself, both may have failed
    /// for the same cause, which may be gone: then the other one must have failed once more since this one is well.
    pub(super) fn is_witness(&self, failing: &Failing, now: Moment) -> bool {
        let was_seen = self.last_pass.is_some_and(|at| at > failing.since);
        match self.says(now) {
            Says::Down => false,
            Says::Unknown => was_seen && !self.was_down,
            Says::Up => {
                let was_well_before = !self.had_failed || self.since <= failing.since;
                (self.stands || was_seen) && (was_well_before || failing.goes_on_after(self.since, now))
            }
        }
    }

    /// Of one that says *down*.
    pub(super) fn failing(&self) -> Failing {
        Failing {
            since: self.since,
            last: self.last_failure,
            stands: self.stands,
        }
    }

    /// It stood until further notice, and there was none in time: nobody looks any more.
    pub(super) fn has_run_out(&self, now: Moment) -> bool {
        self.stands && self.is_stale(now)
    }

    fn is_new(&self) -> bool {
        self.passes == 0 && self.failures == 0 && self.word == Says::Unknown
    }

    fn say(&mut self, word: Says, since: Moment) {
        self.had_failed = self.was_down;
        self.word = word;
        self.since = since;
        self.was_down = word == Says::Down;
    }

    /// What stood against this word until now is gone: only from now on does it count for the server being well.
    pub(super) fn begin_anew(&mut self, at: Moment) {
        if self.word == Says::Up {
            self.since = self.since.max(at);
        }
    }

    pub fn says(&self, now: Moment) -> Says {
        if self.is_stale(now) {
            Says::Unknown
        } else {
            self.word
        }
    }

    /// It said *down* when it fell silent, and has had no word since.
    pub(super) fn went_silent_down(&self, now: Moment) -> bool {
        self.was_down && self.says(now) == Says::Unknown
    }

    /// Since when it has had no word.
    pub(super) fn silent_since(&self, now: Moment) -> Moment {
        if self.is_stale(now) {
            self.stale_at
        } else {
            self.since
        }
    }

    pub(super) fn was_down(&self) -> bool {
        self.was_down
    }

    pub(super) fn is_stale(&self, now: Moment) -> bool {
        now > self.stale_at
    }

    /// When it will be, or went, stale.
    pub fn stale_at(&self) -> Moment {
        self.stale_at
    }

    pub fn since(&self) -> Moment {
        self.since
    }

    /// Failures in a row, up to the last finding.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Passes in a row, up to the last finding.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    pub(super) fn last_pass(&self) -> Option<Moment> {
        self.last_pass
    }

    /// The cause of the last failure, or why there is no result; empty if it never failed.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// When it was last heard.
    pub fn last(&self) -> Moment {
        self.last
    }
}
