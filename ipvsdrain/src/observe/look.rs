//! Reads back what was seen of a watched server: the counts, whether arrivals were witnessed, single flows.

use super::detail::{self, FlowDetail, FlowDetails, Latest};
use super::error::ObserveError;
use super::ladder::Rung;
use super::probes::Probes;
use super::reading::{self, QuietWindows, Reading};
use super::{Observer, Watched, rights};
use crate::clock;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

impl Observer {
    /// What was seen of one server until `now`, which must be a fresh reading of the clock.
    pub fn read(
        &self,
        service: &VirtualService,
        server: &RealServer,
        quiet: &QuietWindows,
        now: Moment,
    ) -> Result<Reading, ObserveError> {
        let windows = reading::seconds(quiet)?;
        let not_watched = || ObserveError::NotWatched {
            service: *service,
            server: *server,
        };
        let watched = self.watched.get(&(*service, *server)).ok_or_else(not_watched)?;
        let empty = Reading::empty(self.standing.rung, watched.since, watched.seed);
        if self.standing.rung == Rung::Counters {
            return Ok(empty);
        }
        let probes = self.probes.as_ref().ok_or_else(not_watched)?;
        let copies = [probes.tally(watched.watch)?, probes.tally(watched.watch)?];
        let health = probes.health()?;
        // Last: then the counts were still being kept when they were read.
        self.intact()?;
        let witness = self.witnessed(probes, service, watched);
        if self.standing.rung == Rung::Probes {
            let counted = reading::of(&copies, health, windows, now, empty);
            return Ok(counted.with_arrivals(witness, &copies));
        }
        witness.map_err(|cause| ObserveError::WitnessGone { cause })?;
        let seed = watched.seed.ok_or(ObserveError::NoSeed)?;
        if !seed.complete {
            return Err(ObserveError::SeedCut { lines: seed.lines });
        }
        let mut counted = reading::ByArrival::new(windows, now);
        probes.walk(watched.watch, |flow| {
            if let Some((key, flow)) = flow {
                counted.see(key, flow);
            }
            true
        })?;
        Ok(counted.finish(&copies[1], watched.no_room, empty))
    }

    /// The rung on which a watch that began now would stand. Without one only half of the answer is known: whether the
    /// kernel's types allow probes.
    ///
    /// # Errors
    /// Where nothing would be observed at all.
    pub fn rung_ahead(&self) -> Result<(Rung, Option<&str>), ObserveError> {
        if !self.watched.is_empty() {
            return Ok((self.standing.rung, self.standing.cause.as_deref()));
        }
        rights::check()?;
        Ok(match &self.kernel {
            Ok(_) => (Rung::Probes, None),
            Err(cause) => (Rung::Arrivals, Some(cause)),
        })
    }

    /// Why it is not known what of a watched server's packets arrived and was lost; `None` if it is known.
    pub fn why_no_arrivals(&self, service: &VirtualService, server: &RealServer) -> Option<String> {
        let watched = self.watched.get(&(*service, *server))?;
        match (&self.probes, self.standing.rung) {
            (Some(probes), Rung::Probes) => {
                let told = probes.tally(watched.watch).map_err(|error| error.to_string());
                let whole = self
                    .witnessed(probes, service, watched)
                    .and(told)
                    .and_then(|tally| reading::whole(&tally));
                whole.err()
            }
            (_, rung) => Some(format!("what is forwarded is not seen on the rung of {rung}")),
        }
    }

    /// Why the count of arrivals is not whole, if it is not.
    fn witnessed(&self, probes: &Probes, service: &VirtualService, watched: &Watched) -> Result<(), String> {
        if let Some(why) = watched.gap.as_ref().or(self.no_arrivals.as_ref()) {
            return Err(why.clone());
        }
        let Some(witness) = probes.witness() else {
            return Ok(());
        };
        witness.check()?;
        match self.standing.rung {
            Rung::Probes => witness.counts(service),
            // That there are any is enough.
            _ => Ok(()),
        }
    }

    /// The `limit` flows of one server that moved last. Walks over every flow of every watched server, for 250 ms at
    /// most: then the answer says that it is not complete.
    pub fn flows(
        &self,
        service: &VirtualService,
        server: &RealServer,
        limit: usize,
    ) -> Result<FlowDetails, ObserveError> {
        let not_watched = || ObserveError::NotWatched {
            service: *service,
            server: *server,
        };
        let watched = self.watched.get(&(*service, *server)).ok_or_else(not_watched)?;
        let probes = self.probes.as_ref().ok_or_else(not_watched)?;
        let mut latest = Latest::new(limit);
        let begin = clock::now();
        let complete = probes.walk(watched.watch, |flow| {
            if let Some((key, flow)) = flow {
                latest.see(FlowDetail::of(key, flow));
            }
            clock::now().since(begin) < detail::BUDGET
        })?;
        let (flows, found) = latest.finish();
        Ok(FlowDetails {
            flows,
            found,
            complete,
            watched_since: watched.since,
            seed: watched.seed,
            at: clock::now(),
        })
    }
}
