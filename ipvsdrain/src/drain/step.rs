//! One step of a drain. Called about once a second for each, and whenever something changed.

use super::action::{Action, Note};
use super::agreement::{self, Ahead};
use super::facts::{Evidence, Facts, Flows, Server, Table};
use super::judgement::{Judgement, judge};
use super::outcome;
use super::policy::SysctlUse;
use super::record::{Hold, Observed, Record, Removal, State, Transition};
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
    step.put_sysctl_back(facts, now);
    step.settle(facts, now);
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
                    None => agreement::resume(self.record.ahead, server.traffic(), counted.as_ref(), now),
                };
                (server.active, server.entries(), Some(witness))
            }
            Table::Unknown(_) => (before.active, before.entries, before.witness),
            Table::NoService | Table::NoServer => (0, 0, None),
        };
        if let (Table::Present(server), Some(flows)) = (&facts.table, counted.as_ref()) {
            self.record.ahead = Ahead::sample(self.record.ahead, server.traffic(), flows);
        }
        let (held, failed) = (before.held.clone(), before.failed.clone());
        self.record.observed = Observed {
            at: Some(now),
            flows,
            lacking: facts.lacking.clone(),
            active,
            entries,
            witness,
            held,
            failed,
        };
    }

    /// A borrowed sysctl goes back once the kernel has flushed what the removal left; in any state, for a crash
    /// may have come between.
    fn put_sysctl_back(&mut self, facts: &Facts, now: Moment) {
        let Some(before) = self.record.borrowed_expire_nodest else {
            return;
        };
        let removes = self
            .actions
            .iter()
            .any(|action| matches!(action, Action::Remove { .. }));
        let flushing = self
            .record
            .removal
            .is_some_and(|removal| now.since(removal.asked_at) < removal.flush_time());
        if removes || flushing {
            return;
        }
        if facts.expire_nodest_borrowed_elsewhere.is_some()
            || facts.expire_nodest_conn == Evidence::Known(before)
        {
            self.record.borrowed_expire_nodest = None;
        } else {
            self.actions.push(Action::SetExpireNodest(before));
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
        if server.configuration.weight == 0 {
            self.go(State::Draining, "its weight is 0".to_owned(), now);
        } else {
            self.actions.push(Action::Quiesce);
        }
        None
    }

    fn drain(&mut self, facts: &Facts, now: Moment) -> Option<Hold> {
        let server = match self.present(facts, now) {
            Ok(server) => server,
            Err(held) => return held,
        };
        let weight = server.configuration.weight;
        if weight != 0 {
            self.go(
                State::Yielded,
                format!("another hand set its weight to {weight}"),
                now,
            );
            return None;
        }
        self.watch(facts);
        let witness = self.record.observed.witness?;
        match judge(&self.record, server, facts, &witness, now) {
            Judgement::Held(hold) => {
                self.go(State::Draining, hold.to_string(), now);
                Some(hold)
            }
            Judgement::Live(why) => {
                self.go(State::Draining, why, now);
                None
            }
            Judgement::Quiet { lasted, needed } => {
                let why = format!(
                    "no live flow; silent for {} of {} s",
                    lasted.as_secs(),
                    needed.as_secs()
                );
                self.go(State::Quiet, why, now);
                None
            }
            Judgement::Drained { why } => {
                self.go(State::Drained, why, now);
                self.remove(server, facts, 0, now)
            }
            Judgement::Migratable { udp } => {
                self.go(
                    State::Draining,
                    format!("only {udp} UDP flows are live, and may be migrated"),
                    now,
                );
                self.remove(server, facts, udp, now)
            }
        }
    }

    /// Removes the server, `migrating` that many live UDP flows, if no stale entry can swallow a late packet.
    fn remove(&mut self, server: &Server, facts: &Facts, migrating: u64, now: Moment) -> Option<Hold> {
        if server.others_weight == 0 {
            return Some(Hold::NoOtherServer);
        }
        let expire_nodest = match &facts.expire_nodest_conn {
            Evidence::Known(value) => *value,
            Evidence::Unknown(why) => return Some(Hold::SysctlUnknown(why.clone())),
        };
        match (expire_nodest, self.record.policy.sysctl) {
            (true, _) => {
                // On because of another drain: it must not go off before the flush of this one either.
                let owed = self
                    .record
                    .borrowed_expire_nodest
                    .or(facts.expire_nodest_borrowed_elsewhere);
                self.record.borrowed_expire_nodest = owed;
                self.actions.push(Action::Remove {
                    needs_expire_nodest: true,
                });
            }
            (false, SysctlUse::Scoped) => {
                self.record.borrowed_expire_nodest = Some(false);
                self.actions.push(Action::SetExpireNodest(true));
                self.actions.push(Action::Remove {
                    needs_expire_nodest: true,
                });
            }
            (false, SysctlUse::Never) if migrating > 0 => return Some(Hold::MigrationNeedsSysctl),
            (false, SysctlUse::Never) if server.entries() > 0 => {
                return Some(Hold::EntriesLeft(server.entries()));
            }
            (false, SysctlUse::Never) => self.actions.push(Action::Remove {
                needs_expire_nodest: false,
            }),
        }
        self.record.removal = Some(Removal {
            asked_at: now,
            entries: server.entries(),
            migrated: migrating,
        });
        None
    }

    fn restore(&mut self, facts: &Facts, now: Moment) -> Option<Hold> {
        let before = self.record.before;
        match &facts.table {
            Table::Unknown(why) => Some(Hold::TableUnknown(why.clone())),
            Table::NoService => {
                self.go(
                    State::Yielded,
                    "its virtual service is gone from the table".to_owned(),
                    now,
                );
                None
            }
            Table::NoServer if self.record.removal.is_some() => {
                self.actions.push(Action::Add(before));
                None
            }
            Table::NoServer => {
                self.go(State::Yielded, "another hand removed it".to_owned(), now);
                None
            }
            Table::Present(server) if server.configuration.weight == before.weight => {
                self.go(
                    State::Restored,
                    format!("its weight is {} again", before.weight),
                    now,
                );
                None
            }
            Table::Present(server) if server.configuration.weight == 0 => {
                self.actions.push(Action::SetWeight(before.weight));
                None
            }
            Table::Present(server) => {
                let weight = server.configuration.weight;
                self.go(
                    State::Yielded,
                    format!("another hand set its weight to {weight}"),
                    now,
                );
                None
            }
        }
    }

    /// The server in the table; or the drain ends, or is held, because it is not known to be there.
    fn present<'a>(&mut self, facts: &'a Facts, now: Moment) -> Result<&'a Server, Option<Hold>> {
        match &facts.table {
            Table::Present(server) => Ok(server),
            Table::Unknown(why) => Err(Some(Hold::TableUnknown(why.clone()))),
            Table::NoServer if self.record.removal.is_some() => {
                let why = match self.record.removal.map_or(0, |removal| removal.migrated) {
                    0 => "proven empty, taken out of the table".to_owned(),
                    n => format!("taken out of the table; {n} live UDP flows were scheduled anew"),
                };
                self.go(State::Removed, why, now);
                Err(None)
            }
            Table::NoServer => {
                self.go(State::Yielded, "another hand removed it".to_owned(), now);
                Err(None)
            }
            Table::NoService => {
                self.go(
                    State::Yielded,
                    "its virtual service is gone from the table".to_owned(),
                    now,
                );
                Err(None)
            }
        }
    }

    fn watch(&mut self, facts: &Facts) {
        if !facts.watched {
            self.actions.push(Action::Watch);
        }
    }

    fn go(&mut self, to: State, why: String, now: Moment) {
        let from = self.record.state;
        if from == to {
            return;
        }
        self.record.state = to;
        self.record.transitions.push(Transition {
            at: now,
            from,
            to,
            why: why.clone(),
        });
        self.notes.push(Note::Transition { from, to, why });
    }

    fn hold(&mut self, held: Option<Hold>) {
        let before = self.record.observed.held.take();
        if before != held {
            self.notes
                .extend(before.filter(|_| held.is_none()).map(Note::Released));
            self.notes.extend(held.clone().map(Note::Held));
        }
        self.record.observed.held = held;
    }
}
