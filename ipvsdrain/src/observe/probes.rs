//! The programs in the kernel: loaded and attached while this value lives. Gone when it is dropped, or, where they are
//! pinned, when it is closed.
//!
//! Owns the loader and the maps; which probe is attached, and how, is for [`super::hook`] to choose, what is attached to
//! interfaces for [`super::arrivals`], and how all of it outlives the daemon for `pinned`.

mod batch;
mod pinned;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{Array, HashMap, Map, MapData, MapError};
use aya::programs::links::FdLink;
use aya::{Ebpf, EbpfLoader, Pod};
use aya_log::EbpfLogger;
use ipvsdrain_ebpf::accounting::Place;
use ipvsdrain_ebpf::first_look::Filter;
use ipvsdrain_ebpf::layout::{
    Beginning, DestKey, Flow, FlowKey, Health, KERNEL, Kernel, Plain, Seal, Tally, Watch,
};

use nix::libc::{E2BIG, EEXIST};

use self::batch::Batches;
pub(super) use self::pinned::{discard, warn_unpinned};

use super::arrivals::{Preference, Witness};
use super::error::ObserveError;
use super::facts::FunctionType;
use super::faults::{broken, load_fault, map_fault};
use super::hook::{self, Chosen, Hook};
use super::object::Object;
use super::pins::{MAPS, PROBE, Pins};
use super::watch::{AF_INET6, words};

/// A shared struct as aya wants it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Raw<T>(T);

// SAFETY: `Plain` promises what `Pod` asks for: integers without implicit padding.
unsafe impl<T: Plain> Pod for Raw<T> {}

/// The probe that is wanted: of one kind only or of any, on the function that the kernel's types describe so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) only: Option<Hook>,
    pub(super) function: Option<FunctionType>,
}

/// Where the maps come from.
#[derive(Debug)]
pub(super) enum Maps {
    /// Made anew, to be gone with this process.
    Fleeting,
    /// Made anew and pinned there.
    ToPin(Pins),
    /// An earlier process pinned them there.
    Pinned(Pins),
}

pub(super) struct Probes {
    /// Where all of this is pinned, if it is.
    pins: Option<Pins>,
    /// Before the programs, so that it is dropped before them.
    witness: Option<Witness>,
    /// The probe on IPVS; `None` on lower rungs, and where an earlier daemon's goes on.
    chosen: Option<Chosen>,
    only: Option<Hook>,
    /// The probe's link where it is pinned.
    probe: Option<FdLink>,
    /// Holds aya's programs and their links: dropping it detaches and unloads.
    programs: Ebpf,
    /// The servers a flow of a watched one may be handed to.
    neighbours: BTreeSet<IpAddr>,
    generation: u64,
    watched: HashMap<MapData, Raw<DestKey>, Raw<Watch>>,
    filter: Array<MapData, Raw<Filter<u64>>>,
    tallies: Array<MapData, Raw<Tally<u64>>>,
    flows: HashMap<MapData, Raw<FlowKey>, Raw<Flow<u64>>>,
    health: Array<MapData, Raw<Health<u64>>>,
    beginnings: Array<MapData, Raw<Beginning>>,
    seal: Array<MapData, Raw<Seal>>,
    messages: EbpfLogger<&'static dyn log::Log>,
    /// Flows that were entered from the kernel's table and not forgotten since.
    entered: u64,
}

impl Probes {
    /// Creates the maps, with room for `flows` flows, or takes the pinned ones; loads the probe where one is wanted.
    /// Nothing is attached yet.
    pub(super) fn load(
        object: &Object,
        kernel: &Kernel,
        flows: Option<u32>,
        maps: Maps,
        probe: Option<Wanted>,
    ) -> Result<Self, ObserveError> {
        let kernel = Raw(*kernel);
        let mut loader = EbpfLoader::new();
        // No relocation against the kernel's types is needed: the plan has the offsets.
        loader.btf(None).override_global(KERNEL, &kernel, true);
        if let Some(flows) = flows {
            loader.map_max_entries("FLOWS", flows);
        }
        if let Maps::Pinned(pins) = &maps {
            for name in MAPS {
                loader.map_pin_path(name, pins.path(name));
            }
        }
        let mut programs = loader
            .load(&object.bytes)
            .map_err(|fault| load_fault(object, fault))?;
        // Before the maps are taken: it is joined to them.
        let chosen = match probe {
            Some(wanted) => Some(Chosen::load(wanted.only, object, &mut programs, wanted.function)?),
            None => None,
        };
        let messages = EbpfLogger::init(&mut programs)
            .map_err(|fault| broken(object, format!("it has no map for messages ({fault})")))?;
        let pins = match maps {
            Maps::Fleeting => None,
            Maps::Pinned(pins) => Some(pins),
            Maps::ToPin(pins) => match Self::pin_maps(&programs, &pins) {
                Ok(()) => Some(pins),
                Err(cause) => {
                    warn_unpinned(&cause);
                    discard(&pins);
                    None
                }
            },
        };
        Ok(Self {
            pins,
            witness: None,
            chosen,
            only: probe.and_then(|wanted| wanted.only),
            probe: None,
            watched: map(object, &mut programs, "WATCHED")?,
            filter: map(object, &mut programs, "FILTER")?,
            tallies: map(object, &mut programs, "TALLIES")?,
            flows: map(object, &mut programs, "FLOWS")?,
            health: map(object, &mut programs, "HEALTH")?,
            beginnings: map(object, &mut programs, "BEGINNINGS")?,
            seal: map(object, &mut programs, "SEAL")?,
            messages,
            entered: 0,
            programs,
            neighbours: BTreeSet::new(),
            generation: 0,
        })
    }

    /// Attaches the probe on IPVS.
    pub(super) fn attach_probe(&mut self, object: &Object) -> Result<(), ObserveError> {
        let Some(chosen) = &mut self.chosen else {
            return Ok(());
        };
        chosen.attach(self.only, object, &mut self.programs)?;
        let Some(pins) = &self.pins else {
            return Ok(());
        };
        match chosen.pin(object, &mut self.programs, &pins.path(PROBE)) {
            Ok(link) => {
                self.probe = Some(link);
                Ok(())
            }
            Err(cause) => {
                self.give_pins_up(&cause);
                self.attach_probe(object)
            }
        }
    }

    /// How the probe is attached.
    pub(super) fn hook(&self) -> Option<String> {
        let chosen = self.chosen.as_ref().map(Chosen::name);
        chosen.or_else(|| self.probe.as_ref().map(hook::name_of_link))
    }

    /// Starts to count what arrives, in the calling thread's network namespace. The error says why that is not
    /// possible.
    pub(super) fn attach_witness(&mut self, preference: Preference, named: &[String]) -> Result<(), String> {
        self.witness = Some(Witness::attach(
            &mut self.programs,
            preference,
            named,
            self.pins.as_ref(),
        )?);
        self.write_filter(None).map_err(|error| error.to_string())
    }

    /// Ends the count of arrivals.
    pub(super) fn drop_witness(&mut self) -> Result<(), ObserveError> {
        if let Some(witness) = self.witness.take() {
            witness.detach();
        }
        self.write_filter(None)
    }

    pub(super) fn witness(&self) -> Option<&Witness> {
        self.witness.as_ref()
    }

    /// Names the servers that flows of watched ones may be handed to.
    pub(super) fn set_neighbours(&mut self, neighbours: BTreeSet<IpAddr>) -> Result<(), ObserveError> {
        if self.neighbours == neighbours {
            return Ok(());
        }
        self.neighbours = neighbours;
        self.write_filter(None)
    }

    /// Starts counting `dest` in `watch.slot`, from zero.
    pub(super) fn watch(&mut self, dest: DestKey, watch: Watch) -> Result<(), ObserveError> {
        let empty = Tally::empty(watch.id);
        self.tallies
            .set(watch.slot, Raw(empty), 0)
            .map_err(|fault| map_fault("clearing the counts", &fault))?;
        // Before the programs find the server watched, its packets must come so far.
        self.write_filter(Some(dest))?;
        self.watched
            .insert(Raw(dest), Raw(watch), 0)
            .map_err(|fault| map_fault("watching a server", &fault))
    }

    /// Stops counting `dest` and forgets its flows.
    pub(super) fn unwatch(&mut self, dest: DestKey, watch: Watch) -> Result<(), ObserveError> {
        self.leave(dest, watch)?;
        self.write_filter(None)
    }

    /// The same, but the first look goes on to let its packets pass.
    pub(super) fn leave(&mut self, dest: DestKey, watch: Watch) -> Result<(), ObserveError> {
        match self.watched.remove(&Raw(dest)) {
            Ok(()) | Err(MapError::KeyNotFound) => {}
            Err(fault) => return Err(map_fault("no longer watching a server", &fault)),
        }
        self.forget(|flow| Place::from_bits(flow.place).watch() == watch)
    }

    /// Lets the packets of every watched server pass the first look, and those of one `more`; while arrivals are
    /// counted, also those of servers that a flow may be handed to.
    fn write_filter(&mut self, more: Option<DestKey>) -> Result<(), ObserveError> {
        let watched = self.watched.keys().filter_map(Result::ok).map(|key| key.0);
        self.generation += 1;
        let mut filter = Filter {
            generation: self.generation,
            ..Filter::EMPTY
        };
        for dest in watched.chain(more) {
            filter.add(dest.server_addr, dest.server_family == AF_INET6);
        }
        if self.witness.is_some() {
            filter.arrivals = 1;
            for address in &self.neighbours {
                filter.add(words(*address), address.is_ipv6());
            }
        }
        self.filter
            .set(0, Raw(filter), 0)
            .map_err(|fault| map_fault("writing which servers are watched", &fault))
    }

    /// Enters a flow that the kernel's table knows. Returns whether there was room; a flow that is there is left.
    pub(super) fn enter(&mut self, key: FlowKey, flow: Flow<u64>) -> Result<bool, ObserveError> {
        const ONLY_NEW: u64 = 1;
        match self.flows.insert(Raw(key), Raw(flow), ONLY_NEW) {
            Ok(()) => {
                self.entered += 1;
                Ok(true)
            }
            Err(MapError::SyscallError(call)) if call.io_error.raw_os_error() == Some(EEXIST) => Ok(true),
            Err(MapError::SyscallError(call)) if call.io_error.raw_os_error() == Some(E2BIG) => Ok(false),
            Err(fault) => Err(map_fault("entering a flow", &fault)),
        }
    }

    /// Deletes the flows that `is_over` names.
    pub(super) fn forget(&mut self, is_over: impl Fn(&Flow<u64>) -> bool) -> Result<(), ObserveError> {
        let mut batches = Batches::new();
        while let Some(flows) = batches.next(&self.flows)? {
            for (key, _) in flows.filter(|(_, flow)| is_over(flow)) {
                match self.flows.remove(&Raw(*key)) {
                    Ok(()) => self.entered = self.entered.saturating_sub(1),
                    Err(MapError::KeyNotFound) => {}
                    Err(fault) => return Err(map_fault("forgetting a flow", &fault)),
                }
            }
        }
        Ok(())
    }

    /// Flows that were entered and are there. All of them where the programs enter none: on the rung of arrivals.
    pub(super) fn entered(&self) -> u64 {
        self.entered
    }

    /// The programs that this process has loaded, by name.
    pub(super) fn loaded(&self) -> Vec<(&str, BorrowedFd<'_>)> {
        let own = self.programs.programs();
        let own = own.filter_map(|(name, program)| Some((name, program.fd().ok()?.as_fd())));
        own.chain(self.chosen.as_ref().and_then(Chosen::fentry)).collect()
    }

    /// Shows every flow of one watch to `each`, until it answers false. Returns whether all were shown.
    pub(super) fn walk(
        &self,
        watch: Watch,
        mut each: impl FnMut(Option<(&FlowKey, &Flow<u64>)>) -> bool,
    ) -> Result<bool, ObserveError> {
        let mut batches = Batches::new();
        while let Some(flows) = batches.next(&self.flows)? {
            for (key, flow) in flows {
                let of_watch = Place::from_bits(flow.place).watch() == watch;
                if !each(of_watch.then_some((key, flow))) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    pub(super) fn tally(&self, watch: Watch) -> Result<Tally<u64>, ObserveError> {
        self.tallies
            .get(&watch.slot, 0)
            .map(|tally| tally.0)
            .map_err(|fault| map_fault("reading the counts", &fault))
    }

    pub(super) fn health(&self) -> Result<Health<u64>, ObserveError> {
        self.health
            .get(&0, 0)
            .map(|health| health.0)
            .map_err(|fault| map_fault("reading the health", &fault))
    }

    /// Passes the programs' messages on to the `log` crate.
    pub(super) fn relay_messages(&mut self) {
        self.messages.flush();
    }
}

fn map<M>(object: &Object, programs: &mut Ebpf, name: &str) -> Result<M, ObserveError>
where
    M: TryFrom<Map, Error = MapError>,
{
    let map = programs
        .take_map(name)
        .ok_or_else(|| broken(object, format!("it has no map {name}")))?;
    M::try_from(map).map_err(|fault| broken(object, format!("map {name}: {fault}")))
}
