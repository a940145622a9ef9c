//! The capacity floor: what of a service must stay able to take new flows.
//!
//! Counts every server that cannot: quiesced by whatever hand, about to be, or taken out by us and not yet back.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::identity::RealServer;

/// What must be left of a service when a server leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Floor {
    /// At least so many servers with a weight. By default 1: a service without a server refuses every client.
    pub servers: u32,
    /// At least this share of the weight the service has when all its servers are in, in percent, 0 to 100. By default
    /// 50: one of two may go, two of three may not.
    pub weight_percent: u8,
}

impl Default for Floor {
    fn default() -> Self {
        Self {
            servers: 1,
            weight_percent: 50,
        }
    }
}

/// A real server as the floor counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub server: RealServer,
    /// What it takes of new flows from now on: 0 if it is quiesced, about to be, or gone.
    pub weight: u32,
    /// Its weight when it is in service, as far as that is known; 0 if nobody knows.
    pub full: u32,
}

/// What a service can take without one of its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capacity {
    pub servers_left: u32,
    /// That one and all others.
    pub servers_total: u32,
    pub weight_left: u64,
    pub weight_total: u64,
}

impl Capacity {
    /// Without a server whose weight in service is `full`, but with all of `others`.
    pub fn without(full: u32, others: &[Member]) -> Self {
        let mut capacity = Self {
            servers_left: 0,
            servers_total: 1,
            weight_left: 0,
            weight_total: u64::from(full),
        };
        for other in others {
            capacity.servers_left += u32::from(other.weight > 0);
            capacity.servers_total += 1;
            capacity.weight_left += u64::from(other.weight);
            capacity.weight_total += u64::from(other.full.max(other.weight));
        }
        capacity
    }

    /// The same, if the server itself weighs `now` and not `before`.
    #[must_use]
    pub(super) fn reweighed(self, before: u32, now: u32) -> Self {
        Self {
            weight_total: self.weight_total.saturating_sub(u64::from(before)) + u64::from(now),
            ..self
        }
    }

    /// The same, of a service that was once as large as this.
    #[must_use]
    pub(super) fn at_least_as_large_as(self, once: &Capacity) -> Self {
        Self {
            servers_total: self.servers_total.max(once.servers_total),
            weight_total: self.weight_total.max(once.weight_total),
            ..self
        }
    }

    /// Of the weight, in percent, rounded down; all of it where nothing has a weight.
    pub fn percent_left(&self) -> u64 {
        (self.weight_left * 100)
            .checked_div(self.weight_total)
            .unwrap_or(100)
    }
}

/// The floor would be crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfall {
    pub capacity: Capacity,
    pub floor: Floor,
}

impl Floor {
    /// # Errors
    /// If less than this would be left.
    pub fn check(self, capacity: Capacity) -> Result<(), Shortfall> {
        let enough = capacity.servers_left >= self.servers
            && capacity.weight_left * 100 >= capacity.weight_total * u64::from(self.weight_percent);
        if enough {
            Ok(())
        } else {
            Err(Shortfall {
                capacity,
                floor: self,
            })
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { capacity, floor } = self;
        write!(
            f,
            "without it {} of {} servers and {} % of the weight would be left for new flows; the floor is {} servers \
             and {} %",
            capacity.servers_left,
            capacity.servers_total,
            capacity.percent_left(),
            floor.servers,
            floor.weight_percent
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(last: u8, weight: u32, full: u32) -> Member {
        Member {
            server: RealServer(([10, 1, 0, last], 53).into()),
            weight,
            full,
        }
    }

    #[test]
    fn both_sides_of_the_floor_by_weight() {
        let floor = Floor::default();
        let half = Capacity::without(5, &[member(1, 5, 5)]);
        assert_eq!((half.percent_left(), floor.check(half)), (50, Ok(())));
        let less = Capacity::without(6, &[member(1, 5, 5)]);
        let short = floor.check(less).unwrap_err();
        assert!(short.to_string().contains("1 of 2 servers and 45 %"), "{short}");
    }

    #[test]
    fn both_sides_of_the_floor_by_count() {
        let floor = Floor {
            servers: 2,
            weight_percent: 0,
        };
        let two = Capacity::without(1, &[member(1, 1, 1), member(2, 1, 1)]);
        assert_eq!(floor.check(two), Ok(()));
        let one = Capacity::without(1, &[member(1, 1, 1), member(2, 0, 0)]);
        assert!(floor.check(one).is_err());
    }

    #[test]
    fn a_server_that_is_out_for_another_cause_counts_with_its_own_weight() {
        let floor = Floor::default();
        let all = [member(1, 2, 2), member(2, 2, 2), member(3, 2, 2)];
        assert_eq!(floor.check(Capacity::without(2, &all)), Ok(()));
        let one_out = [member(1, 0, 2), member(2, 2, 2), member(3, 2, 2)];
        assert_eq!(floor.check(Capacity::without(2, &one_out)), Ok(()));
        let two_out = [member(1, 0, 2), member(2, 0, 2), member(3, 2, 2)];
        assert!(floor.check(Capacity::without(2, &two_out)).is_err());
    }

    #[test]
    fn a_service_without_any_weight_is_judged_by_its_servers() {
        let none = Capacity::without(0, &[member(1, 0, 0)]);
        assert_eq!(none.percent_left(), 100);
        assert!(Floor::default().check(none).is_err());
        let careless = Floor {
            servers: 0,
            weight_percent: 0,
        };
        assert_eq!(careless.check(none), Ok(()));
    }
}
