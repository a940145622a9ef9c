//! Takes the first watch up the ladder: loads and attaches what the best possible rung needs. Begins anew when `ip_vs`
//! itself was loaded anew.

use ipvsdrain_ebpf::layout::{DestKey, Kernel, Watch};
use tracing::warn;

use super::error::ObserveError;
use super::facts::FunctionType;
use super::ladder::{self, Rung};
use super::module::Load;
use super::probes::{Maps, Probes, Wanted};
use super::{Observer, Sources, host, plan, rights};
use crate::moment::Moment;

impl Observer {
    /// Stands on the best possible rung, with one server watched.
    pub(super) fn climb(&mut self, dest: DestKey, watch: Watch) -> Result<(), ObserveError> {
        rights::check()?;
        // What a climb left that was broken off.
        self.let_go();
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
        let wanted = Wanted {
            only: self.sources.hook,
            function: self.traced,
        };
        let maps = self.pins.clone().map_or(Maps::Fleeting, Maps::ToPin);
        let mut probes = Probes::load(
            &self.object,
            &kernel,
            self.sources.flow_capacity,
            maps,
            Some(wanted),
        )?;
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
        let capacity = self.sources.flow_capacity;
        let mut probes = Probes::load(&self.object, &kernel, capacity, Maps::Fleeting, None)?;
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

    /// Refuses, and says why, if the `ip_vs` that is observed is not the one in the kernel any more: whatever was seen
    /// since proves nothing.
    pub fn intact(&self) -> Result<(), ObserveError> {
        self.load.still(Load::present()?)
    }

    /// Lets go of what was attached to an `ip_vs` that is gone. Cheap; worth calling at each step.
    pub fn release(&mut self) {
        if matches!(
            self.intact(),
            Err(ObserveError::IpvsUnloaded | ObserveError::IpvsReloaded)
        ) {
            self.let_go();
            self.watched.clear();
        }
    }

    /// Takes the facts anew if they are those of an `ip_vs` that is gone.
    pub(super) fn renew(&mut self) -> Result<(), ObserveError> {
        let present = Load::present()?;
        if self.load.still(present).is_ok() {
            return Ok(());
        }
        self.release();
        // The thread that prepared the observer chose it; this may be another one.
        let network = self.kernel.as_ref().ok().map(|kernel| kernel.network.ours);
        (self.kernel, self.traced) = plan(&self.sources, network)?;
        self.load = present;
        Ok(())
    }
}

/// Where the probe reads on this kernel, or why it cannot while lower rungs are allowed; of `network` instead of the
/// calling thread's.
pub(super) fn plan(sources: &Sources, network: Option<u32>) -> Result<Plan, ObserveError> {
    let planned = host::collect(sources).and_then(|mut facts| {
        facts.network = network.unwrap_or(facts.network);
        Ok((plan::plan(&facts)?, facts.traced))
    });
    match planned {
        Ok((kernel, traced)) => Ok((Ok(kernel), traced)),
        Err(error) if error.is_the_kernels() && sources.lowest != Some(Rung::Probes) => {
            Ok((Err(error.to_string()), None))
        }
        Err(error) => Err(error),
    }
}

/// Where the probe reads, and what the kernel's types say of the traced function.
type Plan = (Result<Kernel, String>, Option<FunctionType>);
