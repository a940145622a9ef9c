//! One step of a drain. Called about once a second for each, and whenever something changed.

use super::action::{Action, Note};
use super::agreement::{self, Ahead};
use super::facts::{AtZero, Evidence, Facts, Flows, Server, Table};
use super::floor::Capacity;
use super::hold::Hold;
use super::judgement::{Judgement, judge};
use super::leak::AtQuiesce;
use super::lending::Setting;
use super::lull::Lull;
use super::other_hand::OtherHand;
use super::outcome;
use super::policy::{FallbackUse, OnDeadline, PersistenceUse, Pinned, Then};
use super::record::{Observed, Reason, Record, Seen, Transition};
use super::state::State;
use crate::moment::Moment;

/// What a step decided. The record is journalled before any action is performed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub record: Record,
    pub actions: Vec<Action>,
    pub notes: Vec<Note>,
}

/// Moves a drain by one step.
pub fn step(record: &Record, facts: &Facts, now: Moment) -> Step {
    let mut step = Step {
        record: record.clone(),
        actions: Vec::new(),
        notes: Vec::new(),
    };
    step.observe(facts, now);
    let held = match record.state {
        State::Pooled => step.quiesce(facts, now),
        State::Draining | State::Quiet | State::Drained => step.drain(facts, now),
        State::Restoring => step.restore(facts, now),
        State::Removed | State::Restored | State::Yielded => None,
    };
    step.give_back_what_is_not_needed(facts, now);
    step.settle(facts, now);
    if step.record.shadow {
        step.actions
            .retain(|action| matches!(action, Action::Watch | Action::Unwatch));
    }
    let failed = if step.actions.is_empty() {
        None
    } else {
        step.record.observed.failed.take()
    };
    step.hold(held.or(failed.map(Hold::ActionFailed)));
    if step.record.state.is_final() && !step.record.is_counting() && facts.watched {
        step.actions.push(Action::Unwatch);
    }
    step
}

impl Step {
    fn observe(&mut self, facts: &Facts, now: Moment) {
        let flows = match &facts.flows {
            Evidence::Known(flows) => Some(*flows),
            Evidence::Unknown(_) => None,
        };
        let counted = flows.and_then(Flows::counted);
        let before = &self.record.observed;
        let (active, entries, witness) = match &facts.table {
            Table::Present(server) => {
                let witness = match before.witness {
                    Some(witness) => witness.sample(server.traffic(), counted.as_ref(), now),
                    None => agreement::resume(
                        self.record.ahead,
                        server.traffic(),
                        counted.as_ref(),
                        server.active,
                        now,
                    ),
                };
                (
                    server.active,
                    server.entries(),
                    Some(witness.with_active(server.active, now)),
                )
            }
            Table::Unknown(_) => (before.active, before.entries, before.witness),
            Table::NoService | Table::NoServer => (0, 0, None),
        };
        if let (Table::Present(server), Some(flows)) = (&facts.table, counted.as_ref()) {
            self.record.ahead = Ahead::sample(self.record.ahead, server.traffic(), flows, server.active, now);
        }
        self.record.observed = Observed {
            at: Some(now),
            flows,
            lacking: facts.lacking.clone(),
            active,
            entries,
            witness,
            leaks: before.leaks.clone(),
            lull: before.lull,
            held: before.held.clone(),
            failed: before.failed.clone(),
        };
    }

    /// A borrowed setting goes back once nothing needs it; in any state, for a crash may have come between.
    fn give_back_what_is_not_needed(&mut self, facts: &Facts, now: Moment) {
        let removes = self
            .actions
            .iter()
            .any(|action| matches!(action, Action::Remove { .. }));
        let flushing = self
            .record
            .removal
            .is_some_and(|removal| now.since(removal.asked_at) < removal.flush_time());
        if !removes && !flushing {
            self.give_back(Setting::ExpireNodest, facts);
        }
        // Until the server has left the table, or has its weight.
        if self.record.state.is_final() {
            self.give_back(Setting::QuiescentTemplate, facts);
            self.give_back(Setting::Fallback, facts);
        }
    }

    /// The watch outlives the removal until it is settled what that cost; then the count is final.
    fn settle(&mut self, facts: &Facts, now: Moment) {
        if !self.record.is_counting() {
            return;
        }
        self.record.outcome = outcome::settle(&self.record, facts, now);
        self.notes.extend(self.record.outcome.clone().map(Note::Settled));
    }

    fn quiesce(&mut self, facts: &Facts, now: Moment) -> Option<Hold> {
        let server = match self.present(facts, now) {
            Ok(server) => server,
            Err(held) => return held,
        };
        self.watch(facts);
        self.is_there(now);
        let weight = server.configuration.weight;
        if weight == 0 && self.is_quiesced_by_another() {
            self.go(State::Yielded, OtherHand::Raised(0).to_string(), now);
            return None;
        }
        if weight == 0 {
            self.record.ramp = None;
            self.go(State::Draining, "its weight is 0".to_owned(), now);
            return None;
        }
        if self.record.reason == Reason::Failure
            && let Err(held) = self.still_fails(weight, facts, now)
        {
            return held;
        }
        let mut capacity = facts.capacity;
        // Until it is quiesced, whatever another hand makes of it is what it is to come back as.
        if !self.is_ours(weight) {
            let before = std::mem::replace(&mut self.record.before, server.configuration).weight;
            capacity = capacity.reweighed(before, weight);
        }
        if let Err(held) = self.floor(capacity) {
            return Some(held);
        }
        // The weight comes last: whatever protects new flows must be on before.
        self.protect_new_flows(facts);
        self.mark_quiesced();
        self.actions.push(Action::Quiesce);
        None
    }

    /// It is in the table: a removal that was asked for did not come to pass, or it was put back since. In the latter
    /// case the kernel may still flush.
    pub(super) fn is_there(&mut self, now: Moment) {
        self.record.removal = self
            .record
            .removal
            .filter(|removal| now.since(removal.asked_at) < removal.flush_time());
    }

    /// Others may have left since the drain was admitted.
    pub(super) fn floor(&self, capacity: Capacity) -> Result<(), Hold> {
        if self.record.forced || self.record.shadow {
            return Ok(());
        }
        self.record.policy.floor.check(capacity).map_err(Hold::Floor)
    }

    /// Turns on what keeps new flows from a server at weight 0 without a loss, as far as the policy allows.
    fn protect_new_flows(&mut self, facts: &Facts) {
        let Evidence::Known(Some(service)) = &facts.service else {
            return;
        };
        if self.record.shadow {
            return;
        }
        let policy = self.record.policy;
        if policy.fallback == FallbackUse::Set && matches!(service.scheduler.at_zero, AtZero::Fallback(_)) {
            self.keep_borrowed(Setting::Fallback, facts);
        }
        if policy.persistence == PersistenceUse::Set && service.persistent {
            self.keep_borrowed(Setting::QuiescentTemplate, facts);
        }
    }

    fn drain(&mut self, facts: &Facts, now: Moment) -> Option<Hold> {
        let server = match self.present(facts, now) {
            Ok(server) => server,
            Err(held) => return held,
        };
        self.is_there(now);
        self.record.gone_since = None;
        let weight = server.configuration.weight;
        if weight != 0 {
            let raised = OtherHand::Raised(weight);
            if self.record.reason == Reason::Failure && facts.is_well() {
                self.end_with_what_another_hand_gave(raised, &server.configuration, now);
                return None;
            }
            return self.other_hand(raised, facts, now);
        }
        self.take_over_attributes(&server.configuration);
        self.watch(facts);
        self.protect_new_flows(facts);
        self.count_leaks(facts);
        let witness = self.record.observed.witness?;
        let judgement = judge(&self.record, server, facts, &witness, now);
        if self.record.reason == Reason::Failure {
            return self.fail(judgement, server, facts, now);
        }
        let deadline = self.on_deadline(now);
        if !matches!(judgement, Judgement::Pinned { .. }) {
            self.record.observed.lull = None;
        }
        let restores = deadline == Some(OnDeadline::Restore) && !self.record.shadow;
        if restores && !matches!(judgement, Judgement::Drained { .. }) {
            self.go(State::Restoring, "the deadline passed".to_owned(), now);
            return self.restore(facts, now);
        }
        self.follow(judgement, deadline, server, facts, now)
    }

    /// What follows from the evidence.
    fn follow(
        &mut self,
        judgement: Judgement,
        deadline: Option<OnDeadline>,
        server: &Server,
        facts: &Facts,
        now: Moment,
    ) -> Option<Hold> {
        let pinned = self.record.policy.pinned;
        match judgement {
            Judgement::Held(hold) if deadline == Some(OnDeadline::Remove) && !hold.is_unknown_evidence() => {
                self.remove_by_deadline(server, facts, now)
            }
            Judgement::Held(hold) => {
                self.go(State::Draining, hold.to_string(), now);
                Some(hold)
            }
            Judgement::Drained { why } => {
                self.go(State::Drained, why, now);
                match self.record.policy.then {
                    Then::Keep => None,
                    Then::Remove => self.remove_empty(server, facts, now),
                }
            }
            Judgement::Pinned { udp } if pinned == Pinned::Hold => {
                self.go(
                    State::Draining,
                    format!("only {udp} pinned UDP flows are live"),
                    now,
                );
                Some(Hold::PinnedFlows(udp))
            }
            Judgement::Pinned { udp }
                if pinned == Pinned::Migrate && self.record.policy.then == Then::Remove =>
            {
                self.go(
                    State::Draining,
                    format!("only {udp} UDP flows are live, and may be migrated"),
                    now,
                );
                self.migrate(udp, server, facts, now)
            }
            _ if deadline == Some(OnDeadline::Remove) => self.remove_by_deadline(server, facts, now),
            Judgement::Quiet { lasted, needed } => {
                let why = format!(
                    "no live flow; silent for {} of {} s",
                    lasted.as_secs(),
                    needed.as_secs()
                );
                self.go(State::Quiet, why, now);
                None
            }
            Judgement::Pinned { .. } => {
                self.stay_live("pinned UDP flows are live".to_owned(), deadline.is_some(), now)
            }
            Judgement::Live(why) => self.stay_live(why, deadline.is_some(), now),
        }
    }

    fn stay_live(&mut self, why: String, overdue: bool, now: Moment) -> Option<Hold> {
        self.go(State::Draining, why.clone(), now);
        overdue.then_some(Hold::DeadlinePassed(why))
    }

    fn count_leaks(&mut self, facts: &Facts) {
        let flows = self.record.observed.flows;
        self.record.at_quiesce = AtQuiesce::sample(self.record.at_quiesce, flows.as_ref());
        let leaks = flows
            .zip(self.record.at_quiesce)
            .and_then(|(flows, at_quiesce)| at_quiesce.leaks(&flows, facts));
        if self.record.observed.leaks.is_none() {
            self.notes.extend(leaks.clone().map(Note::Leaking));
        }
        self.record.observed.leaks = leaks;
    }

    /// The server in the table; or the drain ends, or is held, because it is not known to be there.
    fn present<'a>(&mut self, facts: &'a Facts, now: Moment) -> Result<&'a Server, Option<Hold>> {
        let what = match &facts.table {
            Table::Present(server) => return Ok(server),
            Table::Unknown(why) => return Err(Some(Hold::TableUnknown(why.clone()))),
            Table::NoServer => OtherHand::Removed,
            Table::NoService => OtherHand::ServiceGone,
        };
        if self.record.shadow {
            self.removed_by_another(what, now);
            return Err(None);
        }
        match self.record.removal {
            Some(removal) if what == OtherHand::Removed => {
                self.go(State::Removed, removal.told(), now);
                Err(None)
            }
            _ => Err(self.other_hand(what, facts, now)),
        }
    }

    fn watch(&mut self, facts: &Facts) {
        if !facts.watched {
            self.actions.push(Action::Watch);
        }
    }

    pub(super) fn go(&mut self, to: State, why: String, now: Moment) {
        let from = self.record.state;
        if from == to {
            return;
        }
        self.record.state = to;
        let observed = &self.record.observed;
        let evidence = Some(Seen {
            flows: observed.flows,
            entries: observed.entries,
            still_secs: observed
                .witness
                .map_or(0, |witness| witness.still_for(now).as_secs()),
        });
        self.record.transitions.push(Transition {
            at: now,
            from,
            to,
            why: why.clone(),
            evidence,
        });
        self.notes.push(Note::Transition { from, to, why });
    }

    fn hold(&mut self, held: Option<Hold>) {
        let before = self.record.observed.held.take();
        // The numbers in it may change; the cause is said once.
        let same = before.as_ref().map(std::mem::discriminant) == held.as_ref().map(std::mem::discriminant);
        if !same {
            self.notes
                .extend(before.filter(|_| held.is_none()).map(Note::Released));
            self.notes.extend(held.clone().map(Note::Held));
        }
        self.record.observed.held = held;
    }

    /// Takes the sample that [`Lull`] compares.
    pub(super) fn lull(&mut self, flows: &Flows, now: Moment) -> Lull {
        let lull = Lull::sample(self.record.observed.lull, flows, now);
        self.record.observed.lull = Some(lull);
        lull
    }
}
