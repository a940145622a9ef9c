//! Chores of the observer while servers are watched: nothing here changes what was counted.

use std::time::Duration;

use ipvsdrain_ebpf::accounting::Place;
use ipvsdrain_ebpf::layout::Watch;
use tracing::warn;

use super::error::ObserveError;
use super::ladder::Rung;
use super::probes::Probes;
use super::{Observer, Watched, arrivals, watch};
use crate::moment::Moment;

/// On the rung of arrivals, how often the kernel's table is asked for flows that are not known yet.
const SEED_EVERY: Duration = Duration::from_secs(10);

impl Observer {
    /// Chores, worth calling about once a second: attaches anew what another hand detached, and on the rung of
    /// arrivals asks the kernel's table for new flows.
    pub fn mend(&mut self, now: Moment) -> Result<(), ObserveError> {
        let gone = self
            .probes
            .as_ref()
            .and_then(Probes::witness)
            .map(arrivals::Witness::check);
        if let Some(Err(cause)) = gone {
            warn!("{cause}: trying anew");
            self.witness_anew(&cause, now)?;
        }
        if self.standing.rung != Rung::Arrivals {
            return Ok(());
        }
        let due = |watched: &Watched| watched.seed.is_none_or(|seed| now.since(seed.at) >= SEED_EVERY);
        let names: Vec<_> = self
            .watched
            .iter()
            .filter(|(_, watched)| due(watched))
            .map(|(name, _)| *name)
            .collect();
        for (service, server) in names {
            if let Some(mut watched) = self.watched.remove(&(service, server)) {
                let seeded = self.seed(&service, &server, &mut watched);
                self.watched.insert((service, server), watched);
                seeded?;
            }
        }
        Ok(())
    }

    /// Frees the room of flows that no window can see any more. Worth calling about once a minute.
    pub fn sweep(&mut self, now: Moment) -> Result<(), ObserveError> {
        let Some(probes) = &mut self.probes else {
            return Ok(());
        };
        let watches: Vec<Watch> = self.watched.values().map(|watched| watched.watch).collect();
        probes.forget(|flow| {
            !watches.contains(&Place::from_bits(flow.place).watch())
                || now.since(Moment::from_nanos(flow.last_seen)) > watch::FORGET_AFTER
        })
    }

    /// Passes the programs' rare messages on to the `log` crate. Call it now and then.
    pub fn relay_messages(&mut self) {
        if let Some(probes) = &mut self.probes {
            probes.relay_messages();
        }
    }
}
