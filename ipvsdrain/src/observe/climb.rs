//! Takes the first watch up the ladder: loads and attaches what the best possible rung needs.

use ipvsdrain_ebpf::layout::{DestKey, Kernel, Watch};
use tracing::warn;

use super::error::ObserveError;
use super::ladder::{self, Rung};
use super::probes::{Maps, Probes};
use super::{Observer, rights};
use crate::moment::Moment;

impl Observer {
    /// Stands on the best possible rung, with one server watched.
    pub(super) fn climb(&mut self, dest: DestKey, watch: Watch) -> Result<(), ObserveError> {
        rights::check()?;
        // What a climb left that was broken off.
        if let Some(probes) = self.probes.take() {
            probes.close();
        }
        let lowest = self.sources.lowest.unwrap_or(Rung::Counters);
        let no_probes = match self.climb_to_probes(dest, watch) {
            Ok(()) => None,
            Err(error) if error.is_the_kernels() && lowest != Rung::Probes => Some(error.to_string()),
            Err(error) => return Err(error),
        };
        let no_arrivals = match no_probes {
            None => None,
            Some(_) => self.climb_to_arrivals(dest, watch)?,
        };
        self.standing = ladder::choose(no_probes, no_arrivals, lowest)
            .map_err(|causes| ObserveError::NoRung { causes })?;
        if let Some(cause) = &self.standing.cause {
            warn!("live flows are seen by {}: {cause}", self.standing.rung);
        }
        Ok(())
    }

    /// The probe on IPVS, and what arrives beside it.
    fn climb_to_probes(&mut self, dest: DestKey, watch: Watch) -> Result<(), ObserveError> {
        let kernel = match &self.kernel {
            Ok(kernel) => *kernel,
            Err(cause) => return Err(ObserveError::NoProbe { cause: cause.clone() }),
        };
        let maps = self.pins.clone().map_or(Maps::Fleeting, Maps::ToPin);
        let mut probes = Probes::load(&self.object, &kernel, self.sources.flow_capacity, maps)?;
        match self.ascend(&mut probes, &kernel, dest, watch) {
            Ok(()) => {
                self.probes = Some(probes);
                Ok(())
            }
            Err(error) => {
                probes.close();
                Err(error)
            }
        }
    }

    fn ascend(
        &mut self,
        probes: &mut Probes,
        kernel: &Kernel,
        dest: DestKey,
        watch: Watch,
    ) -> Result<(), ObserveError> {
        probes.set_neighbours(self.neighbours.clone())?;
        // Before the probe: what it sees being forwarded has been seen to arrive.
        self.no_arrivals = probes
            .attach_witness(self.sources.arrivals, &self.sources.interfaces)
            .err();
        if let Some(cause) = &self.no_arrivals {
            warn!("lost packets are not counted: {cause}");
        }
        probes.watch(dest, watch)?;
        probes.attach_probe(&self.object)?;
        probes.seal(&self.object, kernel, self.sources.flow_capacity);
        Ok(())
    }

    /// What arrives, alone. Returns why that is not possible.
    fn climb_to_arrivals(&mut self, dest: DestKey, watch: Watch) -> Result<Option<String>, ObserveError> {
        let kernel = Kernel {
            arrival_is_life: 1,
            ..Kernel::default()
        };
        // Not pinned: a later daemon reads the kernel's table anew, and has the flows from there.
        let mut probes = Probes::load(&self.object, &kernel, self.sources.flow_capacity, Maps::Fleeting)?;
        self.no_arrivals = probes
            .attach_witness(self.sources.arrivals, &self.sources.interfaces)
            .err();
        if self.no_arrivals.is_none() {
            probes.watch(dest, watch)?;
            self.probes = Some(probes);
        }
        Ok(self.no_arrivals.clone())
    }

    /// Attaches to the interfaces anew, after `cause` took something away. What came in meanwhile is not known: on the
    /// rung of arrivals every watch begins anew.
    pub(super) fn witness_anew(&mut self, cause: &str, now: Moment) -> Result<(), ObserveError> {
        if let Some(probes) = &mut self.probes {
            probes.drop_witness()?;
            self.no_arrivals = probes
                .attach_witness(self.sources.arrivals, &self.sources.interfaces)
                .err();
        }
        if self.standing.rung != Rung::Arrivals {
            self.note_gap(cause);
            return Ok(());
        }
        for watched in self.watched.values_mut() {
            watched.since = now;
        }
        Ok(())
    }

    /// The count of arrivals is not whole, for no watch of today; nor will it be for a later daemon.
    pub(super) fn note_gap(&mut self, cause: &str) {
        for watched in self.watched.values_mut() {
            watched.gap = Some(cause.to_owned());
        }
        if let Some(probes) = &mut self.probes
            && let Err(error) = probes.mark_gap()
        {
            // Rather none than a wrong one.
            probes.give_pins_up(&error.to_string());
        }
    }
}
