//! The way back: the server gets its own weight, or comes back into the table as it was.

use super::action::Action;
use super::facts::{Facts, Server, Table};
use super::hold::Hold;
use super::other_hand::OtherHand;
use super::state::State;
use super::step::Step;
use crate::moment::Moment;

impl Step {
    pub(super) fn restore(&mut self, facts: &Facts, now: Moment) -> Option<Hold> {
        let before = self.record.before;
        let yielded = match &facts.table {
            Table::Unknown(why) => return Some(Hold::TableUnknown(why.clone())),
            Table::NoServer if self.record.removal.is_some() => {
                self.actions.push(Action::Add(before));
                return None;
            }
            Table::Present(server) if server.configuration.weight == before.weight => {
                let why = self.told_back(server);
                self.go(State::Restored, why, now);
                return None;
            }
            Table::Present(server) if server.configuration.weight == 0 => {
                self.actions.push(Action::SetWeight(before.weight));
                return None;
            }
            Table::Present(server) => OtherHand::Raised(server.configuration.weight),
            Table::NoServer => OtherHand::Removed,
            Table::NoService => OtherHand::ServiceGone,
        };
        self.go(State::Yielded, yielded.to_string(), now);
        None
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
