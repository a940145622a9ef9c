//! A server that fails: quiesced at the first failure, removed if that persists, put back when it recovers.
//!
//! What its health asks for, by a policy, at a time. How often it failed lately decides how long it must be well before
//! it is put back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::facts::{Facts, Server};
use super::hold::Hold;
use super::judgement::Judgement;
use super::other_hand::OtherHand;
use super::policy::{PolicyError, in_range};
use super::record::Reason;
use super::state::State;
use super::step::Step;
use crate::forwarding::Configuration;
use crate::health::{Belief, Health, Verdict};
use crate::moment::Moment;

/// What is done about a server that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FailurePolicy {
    pub then: OnFailure,
    /// The failure must have lasted this long before the server is removed, 0 to [`FailurePolicy::LONGEST_SECS`]. By
    /// default 60: a reboot takes longer, a restart does not.
    pub remove_after_secs: u32,
    /// And so many findings must have confirmed it, 1 to [`FailurePolicy::MOST_CONFIRMATIONS`]. By default 3.
    pub confirmations: u32,
    /// For how long a server must be well before it is put back, 0 to [`FailurePolicy::LONGEST_SECS`]. By default 10.
    /// Doubled with each failure that comes soon after the last one.
    pub hold_down_secs: u32,
    /// But never longer than this. By default 600.
    pub longest_hold_down_secs: u32,
    /// A failure is forgotten after this long, 1 to [`FailurePolicy::LONGEST_SECS`]. By default 600.
    pub forgiven_after_secs: u32,
}

/// How far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Quiesced, and removed if the failure persists. The default: as long as a dead server is in the table, the flows
    /// that are pinned to it find nothing.
    Remove,
    /// Quiesced, and kept in the table: for one that another program owns.
    Quiesce,
    /// Shown, and nothing else.
    Report,
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self {
            then: OnFailure::Remove,
            remove_after_secs: 60,
            confirmations: 3,
            hold_down_secs: 10,
            longest_hold_down_secs: 600,
            forgiven_after_secs: 600,
        }
    }
}

impl FailurePolicy {
    /// A day.
    pub const LONGEST_SECS: u32 = 24 * 3600;
    pub const MOST_CONFIRMATIONS: u32 = 1000;

    pub(super) fn check(&self) -> Result<(), PolicyError> {
        in_range("remove_after", self.remove_after_secs, 0..=Self::LONGEST_SECS)?;
        in_range("hold_down", self.hold_down_secs, 0..=Self::LONGEST_SECS)?;
        in_range(
            "longest_hold_down",
            self.longest_hold_down_secs,
            0..=Self::LONGEST_SECS,
        )?;
        in_range("forgiven_after", self.forgiven_after_secs, 1..=Self::LONGEST_SECS)?;
        if !(1..=Self::MOST_CONFIRMATIONS).contains(&self.confirmations) {
            return Err(PolicyError::Confirmations(self.confirmations));
        }
        if self.hold_down_secs > self.longest_hold_down_secs {
            return Err(PolicyError::HoldDown(
                self.hold_down_secs,
                self.longest_hold_down_secs,
            ));
        }
        Ok(())
    }

    /// For how long a server that failed `level` times lately must be well.
    pub fn hold_down(&self, level: u32) -> Duration {
        let doublings = level.saturating_sub(1).min(31);
        let secs = u64::from(self.hold_down_secs) << doublings;
        Duration::from_secs(secs.min(u64::from(self.longest_hold_down_secs)))
    }

    fn remove_after(&self) -> Duration {
        Duration::from_secs(u64::from(self.remove_after_secs))
    }
}

/// What a drain for failure is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Who said so first, and the cause it gave.
    pub source: String,
    pub cause: String,
    /// The first finding of the present failure.
    pub since: Moment,
    /// How often it failed lately, this time included.
    pub level: u32,
    /// It was well again, and is put back for that.
    #[serde(default)]
    pub recovered: bool,
    /// The kernel was to be asked for weight 0: one that is seen before is another hand's.
    #[serde(default)]
    pub quiesced: bool,
}

impl Failure {
    /// The failure that `health` speaks of. `before` is the last one there was.
    pub fn of(health: &Health, before: Option<&Failure>, policy: &FailurePolicy) -> Option<Self> {
        let Verdict::Down { source, cause } = &health.verdict else {
            return None;
        };
        let level = before.map_or(0, |before| before.level_at(health.since, policy));
        // At the longest hold-down it ends: what counted beyond would take as long again to be forgiven.
        let is_at_most = level > 0 && policy.hold_down(level) >= policy.hold_down(u32::MAX);
        Some(Self {
            source: source.clone(),
            cause: cause.clone(),
            since: health.since,
            level: if is_at_most {
                level
            } else {
                level.saturating_add(1)
            },
            recovered: false,
            quiesced: false,
        })
    }

    /// What is still held against the server: one failure less for each that could be forgiven.
    pub fn level_at(&self, at: Moment, policy: &FailurePolicy) -> u32 {
        let forgiven = at.since(self.since).as_secs() / u64::from(policy.forgiven_after_secs.max(1));
        self.level
            .saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }

    /// It failed anew, after it had been found well, but not for long enough to be put back.
    pub(super) fn renewed(&self, health: &Health, policy: &FailurePolicy) -> Option<Self> {
        // A daemon that was restarted since may not have seen it well.
        let was_well = self.recovered || health.last_pass.is_some_and(|at| at > self.since);
        (was_well && health.since > self.since)
            .then(|| Self::of(health, Some(self), policy))
            .flatten()
    }

    /// What the health of a quiesced server asks for.
    pub(super) fn next(&self, health: Option<&Health>, policy: &FailurePolicy, now: Moment) -> Next {
        let Some(health) = health else {
            return Next::Unknown("nobody has looked at it since this daemon began".to_owned());
        };
        let lasted = now.since(health.since);
        match &health.verdict {
            Verdict::Unknown(why) => Next::Unknown(why.clone()),
            Verdict::Up => {
                let needed = policy.hold_down(self.level);
                if lasted >= needed {
                    Next::PutBack(format!("up again for {} s", lasted.as_secs()))
                } else {
                    Next::HeldDown(needed)
                }
            }
            Verdict::Down { .. } => {
                let persists = health.unanimous || lasted >= policy.remove_after();
                let is_due =
                    policy.then == OnFailure::Remove && persists && health.failures >= policy.confirmations;
                match health.belief {
                    Belief::AllFail => Next::Suspect,
                    Belief::Awaited => Next::Awaited,
                    Belief::Believed if is_due => Next::Remove,
                    Belief::Believed => Next::Stay,
                }
            }
        }
    }
}

/// What the health of a server with a drain for failure asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It fails, and has not for long enough.
    Stay,
    Remove,
    /// It fails, and no other server was found well since.
    Awaited,
    /// All fail.
    Suspect,
    Unknown(String),
    /// It is well, and not for this long yet.
    HeldDown(Duration),
    PutBack(String),
}

impl Facts {
    pub(super) fn is_well(&self) -> bool {
        self.health
            .as_ref()
            .is_some_and(|health| health.verdict == Verdict::Up)
    }
}

impl Step {
    fn next_by_health(&self, facts: &Facts, now: Moment) -> Next {
        match &self.record.failure {
            Some(failure) => failure.next(facts.health.as_ref(), &self.record.policy.failure, now),
            None => Next::Unknown("the record does not say what failed".to_owned()),
        }
    }

    /// Before it is quiesced: is it still to be? If not, the drain ends or waits.
    pub(super) fn still_fails(
        &mut self,
        weight: u32,
        facts: &Facts,
        now: Moment,
    ) -> Result<(), Option<Hold>> {
        if facts.is_well() {
            self.mark_recovered();
            let why = "well again before it was quiesced".to_owned();
            // In mid-way of a slow start it has not its own weight yet.
            let to = if weight != self.record.before.weight && self.is_ours(weight) {
                State::Restoring
            } else {
                State::Restored
            };
            self.go(to, why, now);
            return Err(None);
        }
        match self.next_by_health(facts, now) {
            Next::Unknown(why) => Err(Some(Hold::HealthUnknown(why))),
            Next::Suspect => Err(Some(Hold::CheckerSuspected)),
            Next::Awaited => Err(Some(Hold::FailureAwaited)),
            Next::Stay | Next::Remove | Next::HeldDown(_) | Next::PutBack(_) => Ok(()),
        }
    }

    /// Of a quiesced server that fails: what its flows do is shown, what its health asks for is done.
    pub(super) fn fail(
        &mut self,
        judgement: Judgement,
        server: &Server,
        facts: &Facts,
        now: Moment,
    ) -> Option<Hold> {
        let policy = self.record.policy.failure;
        if let (Some(failure), Some(health)) = (&self.record.failure, &facts.health)
            && let Some(renewed) = failure.renewed(health, &policy)
        {
            self.record.failure = Some(renewed);
        }
        let next = self.next_by_health(facts, now);
        if let Next::PutBack(why) = next {
            return self.put_back(why, facts, now);
        }
        self.show_flows(judgement, now);
        match next {
            Next::Remove => self.remove_dead(server, facts, now),
            Next::Suspect => Some(Hold::CheckerSuspected),
            Next::Unknown(why) => Some(Hold::HealthUnknown(why)),
            Next::HeldDown(needed) => Some(Hold::HoldDown(needed.as_secs())),
            Next::Stay | Next::Awaited | Next::PutBack(_) => None,
        }
    }

    /// The weight is 0 before the kernel was asked for that: another hand was first, and it is not ours to undo.
    pub(super) fn is_quiesced_by_another(&self) -> bool {
        self.record.reason == Reason::Failure
            && self
                .record
                .failure
                .as_ref()
                .is_some_and(|failure| !failure.quiesced)
    }

    pub(super) fn mark_quiesced(&mut self) {
        if let Some(failure) = &mut self.record.failure {
            failure.quiesced = true;
        }
    }

    fn put_back(&mut self, why: String, facts: &Facts, now: Moment) -> Option<Hold> {
        self.mark_recovered();
        if self.record.shadow {
            self.go(State::Yielded, format!("{why}: it would be put back"), now);
            return None;
        }
        self.go(State::Restoring, why, now);
        self.restore(facts, now)
    }

    /// It has a weight, though not by us, and is well: whatever the policy is about other hands, nothing is left to do.
    pub(super) fn end_with_what_another_hand_gave(
        &mut self,
        what: OtherHand,
        seen: &Configuration,
        now: Moment,
    ) {
        self.record.before = *seen;
        self.mark_recovered();
        self.go(State::Yielded, format!("{what}, and it is well"), now);
    }

    fn mark_recovered(&mut self) {
        if let Some(failure) = &mut self.record.failure {
            failure.recovered = true;
        }
    }

    /// The state says what is seen; whether it is empty decides nothing about a server that may be back in a moment.
    fn show_flows(&mut self, judgement: Judgement, now: Moment) {
        let (to, why) = match judgement {
            Judgement::Drained { why } => (State::Drained, why),
            Judgement::Quiet { .. } => (State::Quiet, "no live flow".to_owned()),
            Judgement::Pinned { .. } => (State::Draining, "pinned UDP flows are live".to_owned()),
            Judgement::Live(why) => (State::Draining, why),
            Judgement::Held(hold) => (State::Draining, hold.to_string()),
        };
        self.go(to, why, now);
    }
}
