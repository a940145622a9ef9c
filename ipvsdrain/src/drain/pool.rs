//! What of a service can take new flows, from the table and from the drains there are.

use std::time::Duration;

use super::facts::Service;
use super::floor::{Capacity, Member};
use super::record::Record;
use super::state::State;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// A server that was removed by us is missed for so long: afterwards the service is taken to be as large as it is.
const MISSED_FOR: Duration = Duration::from_hours(24);

/// How servers count whose drain was forced below the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forced {
    /// As out of service: for a drain that is about to begin.
    Counted,
    /// As in service: somebody took it upon himself that they are not, which must not stop the drains from before.
    Accepted,
}

/// What is left of `service` without `server`, whose weight in service is `full`.
///
/// A server on its way to weight 0 takes no more flows. As long as a removal is recent, the service is taken to be
/// as large as it was before it, so that a row of drains cannot cross the floor one by one; a server that was added
/// meanwhile makes up for it.
pub fn capacity<'a>(
    (service, server): (&VirtualService, &RealServer),
    full: u32,
    around: &Service,
    records: impl Iterator<Item = &'a Record> + Clone,
    forced: Forced,
    now: Moment,
) -> Capacity {
    let of_service = records.filter(|record| record.service == *service && !record.shadow);
    let others: Vec<Member> = around
        .others
        .iter()
        .map(|other| {
            let drain = of_service
                .clone()
                .find(|record| record.server == other.server && !record.state.is_final());
            match drain {
                Some(record) if record.state == State::Restoring => Member {
                    full: record.before.weight,
                    ..*other
                },
                Some(record) if record.forced && forced == Forced::Accepted => Member {
                    weight: record.before.weight,
                    full: record.before.weight,
                    ..*other
                },
                Some(record) => Member {
                    weight: 0,
                    full: other.full.max(record.before.weight),
                    ..*other
                },
                None => *other,
            }
        })
        .collect();
    let missed = of_service.filter(|record| {
        record.is_missed(now)
            && !(record.forced && forced == Forced::Accepted)
            && record.server != *server
            && !around.others.iter().any(|other| other.server == record.server)
    });
    missed.fold(Capacity::without(full, &others), |capacity, record| {
        capacity.at_least_as_large_as(&record.capacity)
    })
}

impl Record {
    /// Its server was removed by us a short while ago: unless it is back in the table, the service still counts as large
    /// as it was with it.
    pub fn is_missed(&self, now: Moment) -> bool {
        self.state == State::Removed && self.removed_at().is_some_and(|at| now.since(at) < MISSED_FOR)
    }
}
