//! The way back: the server gets its own weight, or comes back into the table as it was, in steps if the policy says so.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::facts::{AtZero, Evidence, Facts, Server, Table};
use super::failing::OnFailure;
use super::hold::Hold;
use super::other_hand::OtherHand;
use super::record::Reason;
use super::state::State;
use super::step::Step;
use crate::forwarding::Configuration;
use crate::health::Belief;
use crate::moment::Moment;

/// A slow start under way: a removed server that is put back gets its weight in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ramp {
    pub began_at: Moment,
    /// The weight before the last step.
    pub from: u32,
    /// The weight that the last step gave, or was to give.
    pub to: u32,
    /// It is to be quiesced again: weight 0 is ours as well.
    #[serde(default)]
    pub turned: bool,
}

impl Ramp {
    /// The weight is one that this gave: a crash may have come before the last step was performed.
    pub(super) fn gave(self, weight: u32) -> bool {
        weight == self.from || weight == self.to
    }

    /// What a server of weight `full` is to have by now, where a slow start takes `whole`.
    fn weight_at(self, full: u32, whole: Duration, now: Moment) -> u32 {
        let passed = now.since(self.began_at).min(whole).as_millis();
        let share = u128::from(full) * passed / whole.as_millis().max(1);
        u32::try_from(share).unwrap_or(full).clamp(1, full.max(1))
    }
}

impl Step {
    pub(super) fn restore(&mut self, facts: &Facts, now: Moment) -> Option<Hold> {
        if self.fails_again(facts, now) {
            return None;
        }
        let before = self.record.before;
        let yielded = match &facts.table {
            Table::Unknown(why) => return Some(Hold::TableUnknown(why.clone())),
            Table::NoServer if self.record.removal.is_some() => {
                let back = self.first_step(before, facts, now);
                self.actions.push(Action::Add(back));
                return None;
            }
            Table::Present(server) if server.configuration.weight == before.weight => {
                let why = self.told_back(server);
                self.go(State::Restored, why, now);
                return None;
            }
            Table::Present(server) if server.configuration.weight == 0 && !self.is_on_its_way() => {
                self.actions.push(Action::SetWeight(before.weight));
                return None;
            }
            Table::Present(server) if self.is_ours(server.configuration.weight) => {
                // It is back: whoever takes it out from now on is another hand.
                self.is_there(now);
                self.next_step(server.configuration.weight, now);
                return None;
            }
            Table::Present(server) => OtherHand::Raised(server.configuration.weight),
            Table::NoServer => OtherHand::Removed,
            Table::NoService => OtherHand::ServiceGone,
        };
        self.go(State::Yielded, yielded.to_string(), now);
        None
    }

    /// In mid-way of a slow start: weight 0 is another hand's.
    fn is_on_its_way(&self) -> bool {
        self.record.ramp.is_some_and(|ramp| !ramp.turned)
    }

    /// A slow start of ours gave it this weight.
    pub(super) fn is_ours(&self, weight: u32) -> bool {
        weight != 0 && self.record.ramp.is_some_and(|ramp| ramp.gave(weight))
    }

    fn slow_start(&self) -> Duration {
        Duration::from_secs(u64::from(self.record.policy.slow_start_secs))
    }

    /// With what a removed server is put back.
    fn first_step(&mut self, before: Configuration, facts: &Facts, now: Moment) -> Configuration {
        // Where the scheduler hashes, or is not known, each change of a weight may move flows.
        let is_gradual = matches!(
            &facts.service,
            Evidence::Known(Some(service)) if service.scheduler.at_zero == AtZero::Skips
        );
        if self.slow_start().is_zero() || before.weight <= 1 || !is_gradual {
            self.record.ramp = None;
            return before;
        }
        self.record.ramp = Some(Ramp {
            began_at: now,
            from: 1,
            to: 1,
            turned: false,
        });
        Configuration { weight: 1, ..before }
    }

    fn next_step(&mut self, weight: u32, now: Moment) {
        let Some(ramp) = self.record.ramp else { return };
        let due = ramp.weight_at(self.record.before.weight, self.slow_start(), now);
        if due > weight {
            self.record.ramp = Some(Ramp {
                from: weight,
                to: due,
                ..ramp
            });
            self.actions.push(Action::SetWeight(due));
        }
    }

    /// A server that fails again on its way back is quiesced again, if that is believed and the floor allows it; one
    /// that is not in the table yet stays out. Whoever asked for its return by hand gets it.
    fn fails_again(&mut self, facts: &Facts, now: Moment) -> bool {
        let policy = self.record.policy.failure;
        let (Some(failure), Some(health), Reason::Failure) =
            (&self.record.failure, &facts.health, self.record.reason)
        else {
            return false;
        };
        if !failure.recovered || self.record.shadow {
            return false;
        }
        let Some(mut renewed) = failure.renewed(health, &policy) else {
            return false;
        };
        let to = match &facts.table {
            // It is not back yet, and whether to believe it or not makes no difference.
            Table::NoServer if self.record.removal.is_some() => State::Removed,
            Table::Present(_)
                if health.belief == Belief::Believed
                    && policy.then != OnFailure::Report
                    && self.floor(facts.capacity).is_ok() =>
            {
                State::Pooled
            }
            _ => return false,
        };
        // Its weight was not given yet: the 0 there is ours still.
        renewed.quiesced = !self.is_on_its_way()
            && matches!(&facts.table, Table::Present(server) if server.configuration.weight == 0);
        let why = format!("it fails again: {}", renewed.cause);
        self.record.failure = Some(renewed);
        if to == State::Pooled {
            self.record.outcome = None;
            if let Some(ramp) = &mut self.record.ramp {
                ramp.turned = true;
            }
        }
        self.go(to, why, now);
        true
    }

    /// The kernel keeps a removed server for minutes after its last entry, and finds it again by its address: entries
    /// that were not flushed go on with it.
    fn told_back(&self, server: &Server) -> String {
        let weight = self.record.before.weight;
        match (self.record.removal, server.entries()) {
            (None, _) => format!("its weight is {weight} again"),
            (Some(_), 0) => format!("back in the table with weight {weight}"),
            (Some(_), entries) => format!(
                "back in the table with weight {weight}; the kernel still knew {entries} of its entries, and they go on"
            ),
        }
    }
}
