//! The removal: when it is safe, what it is journalled with, and what was risked.

use super::action::{Action, Note};
use super::facts::{Evidence, Facts, Flows, Server};
use super::hold::Hold;
use super::lending::Setting;
use super::lull;
use super::other_hand::OtherHand;
use super::policy::{Pinned, SysctlUse};
use super::record::Removal;
use super::state::State;
use super::step::Step;
use crate::forwarding::Forwarding;
use crate::moment::Moment;

impl Removal {
    fn of(server: &Server, now: Moment) -> Self {
        Self {
            asked_at: now,
            entries: server.entries(),
            migrated: 0,
            cut: 0,
            risked: 0,
            by_deadline: false,
            by_failure: false,
        }
    }

    /// In spite of its live flows: those of UDP are scheduled anew, TCP connections are cut.
    fn of_live(server: &Server, flows: Option<Flows>, now: Moment) -> Self {
        let tcp_open = flows
            .map_or(0, |flows| flows.tcp_open)
            .max(u64::from(server.active));
        Self {
            migrated: flows.map_or(0, |flows| flows.udp),
            cut: tcp_open + flows.map_or(0, |flows| flows.tcp_closing),
            ..Self::of(server, now)
        }
    }

    /// What was done, for the record.
    pub(super) fn told(&self) -> String {
        let Self {
            migrated,
            cut,
            risked,
            by_deadline,
            by_failure,
            ..
        } = self;
        if !by_deadline && !by_failure && *migrated == 0 {
            return "proven empty, taken out of the table".to_owned();
        }
        let parts = [
            (*migrated, "live UDP flows were scheduled anew"),
            (*cut, "live TCP connections were cut"),
            (*risked, "requests may have lost their replies"),
        ];
        let at = match (by_deadline, by_failure) {
            (true, _) => " at the deadline",
            (_, true) => ", for it was dead",
            _ => "",
        };
        let costs = parts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("; {number} {what}"));
        format!("taken out of the table{at}{}", costs.collect::<String>())
    }
}

impl Step {
    /// Removes a server that was proven empty.
    pub(super) fn remove_empty(&mut self, server: &Server, facts: &Facts, now: Moment) -> Option<Hold> {
        self.remove(Removal::of(server, now), facts)
    }

    /// Removes a server whose only live flows, `udp` of them, find another one at their next datagram.
    pub(super) fn migrate(&mut self, udp: u64, server: &Server, facts: &Facts, now: Moment) -> Option<Hold> {
        let masquerade = server.configuration.forwarding == Forwarding::Masquerade;
        let answering = self.record.observed.flows.filter(lull::is_answering);
        let risked = match answering.filter(|_| masquerade) {
            Some(flows) => self.lull(&flows, now).risk(&flows, now)?,
            None => 0,
        };
        let removal = Removal {
            migrated: udp,
            risked,
            ..Removal::of(server, now)
        };
        self.remove(removal, facts)
    }

    /// Removes a server in spite of its live flows, as the deadline says.
    pub(super) fn remove_by_deadline(&mut self, server: &Server, facts: &Facts, now: Moment) -> Option<Hold> {
        let removal = Removal {
            by_deadline: true,
            ..Removal::of_live(server, self.record.observed.flows, now)
        };
        if removal.migrated > 0 && self.record.policy.pinned == Pinned::Hold {
            return Some(Hold::PinnedFlows(removal.migrated));
        }
        self.remove(removal, facts)
    }

    /// Removes a dead server. It does not wait for its flows: as long as it is in the table, they find nothing there.
    pub(super) fn remove_dead(&mut self, server: &Server, facts: &Facts, now: Moment) -> Option<Hold> {
        let removal = Removal {
            by_failure: true,
            ..Removal::of_live(server, self.record.observed.flows, now)
        };
        self.remove(removal, facts)
    }

    /// Removes the server if the floor allows it, and no stale entry can swallow a late packet.
    fn remove(&mut self, removal: Removal, facts: &Facts) -> Option<Hold> {
        if self.record.shadow {
            if self.record.would_remove_at.is_none() {
                self.record.would_remove_at = Some(removal.asked_at);
                self.notes.push(Note::WouldRemove);
            }
            return None;
        }
        if let Err(held) = self.floor(facts.capacity) {
            return Some(held);
        }
        let expire_nodest = match &facts.expire_nodest_conn {
            Evidence::Known(value) => *value,
            Evidence::Unknown(why) => return Some(Hold::SysctlUnknown(why.clone())),
        };
        let allowed = self.record.policy.sysctl == SysctlUse::Scoped;
        let can_be_on = facts.flushes_entries && (expire_nodest || allowed);
        if can_be_on {
            self.borrow(Setting::ExpireNodest, facts);
        } else if !removal.by_deadline && !removal.by_failure {
            // Entries that stay would swallow what still comes.
            if removal.migrated > 0 {
                return Some(Hold::MigrationNeedsSysctl);
            }
            if removal.entries > 0 {
                return Some(Hold::EntriesLeft(removal.entries));
            }
        }
        self.actions.push(Action::Remove {
            needs_expire_nodest: can_be_on,
        });
        self.record.removal = Some(removal);
        None
    }

    /// In shadow mode: another hand took it out; what that cost is counted as after a removal of our own.
    pub(super) fn removed_by_another(&mut self, what: OtherHand, now: Moment) {
        let observed = &self.record.observed;
        self.record.removal = Some(Removal {
            asked_at: now,
            entries: observed.entries,
            migrated: observed.flows.map_or(0, |flows| flows.udp),
            cut: observed.flows.map_or(0, |flows| flows.tcp_open),
            risked: 0,
            by_deadline: false,
            by_failure: false,
        });
        let verdict = match self.record.would_remove_at {
            Some(at) => format!(
                "{what}; it would have been removed {} s before",
                now.since(at).as_secs()
            ),
            None => format!("{what}; it would not have been removed yet"),
        };
        self.go(State::Yielded, verdict, now);
    }
}
