//! Facts for one drain, gathered just before its step.

use super::kernel::{Found, Kernel};
use crate::drain::{self, Borrowed, Capacity, Facts, Forced, Record, State};
use crate::health::Health;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// What the drains of this daemon say about one of its servers. A drain of that server itself plays no part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Others<'a> {
    pub(super) records: &'a [&'a Record],
}

impl Others<'_> {
    /// What they have borrowed.
    fn borrowed(&self, record: &Record) -> Borrowed {
        let mut sum = Borrowed::default();
        for other in self.records {
            sum.add(&other.borrowed, other.service == record.service);
        }
        sum
    }

    /// What is left of the service without this server, whose weight in service is `full`.
    pub(super) fn capacity(
        &self,
        server: (&VirtualService, &RealServer),
        full: u32,
        found: &Found,
        forced: Forced,
        now: Moment,
    ) -> Capacity {
        // Nothing is left of what is not there or not known.
        found.around().map_or_else(Capacity::default, |around| {
            drain::capacity(server, full, around, self.records.iter().copied(), forced, now)
        })
    }
}

/// Reads everything a step may rely on. The table comes first: a packet seen by the observer and not yet by the
/// kernel's counter is late, the reverse would be a contradiction.
pub(super) async fn facts(
    kernel: &mut impl Kernel,
    record: &Record,
    others: &Others<'_>,
    health: Option<Health>,
) -> Facts {
    let Record {
        service,
        server,
        policy,
        ..
    } = record;
    let found = kernel.table(service, server).await;
    let forced = if record.state == State::Pooled {
        Forced::Counted
    } else {
        Forced::Accepted
    };
    let full = record.before.weight;
    let capacity = others.capacity((service, server), full, &found, forced, kernel.now());
    let watched = kernel.is_watched(service, server);
    Facts {
        table: found.table,
        service: found.service,
        capacity,
        flows: kernel.flows(service, server, policy),
        lacking: kernel.lacking(service, server),
        counters: kernel.counters(),
        expire_nodest_conn: kernel.expire_nodest(),
        expire_quiescent_template: kernel.expire_quiescent_template(),
        reuses_connections: kernel.reuses_connections(),
        flushes_entries: kernel.flushes_entries(),
        borrowed_elsewhere: others.borrowed(record),
        health,
        watched,
    }
}
