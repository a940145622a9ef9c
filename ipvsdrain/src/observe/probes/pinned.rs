//! The programs and maps as a daemon leaves them to the next one: pinned, sealed, adopted, and taken away at last.

use aya::maps::{Array, Map, MapData, MapError};
use aya::programs::links::PinnedLink;
use ipvsdrain_ebpf::layout::{Beginning, DestKey, Kernel, Seal, Watch};
use tracing::warn;

use super::{Maps, Probes, Raw};
use crate::moment::Moment;
use crate::observe::arrivals::{self, Preference, Witness};
use crate::observe::error::ObserveError;
use crate::observe::faults::{map_fault, with_causes};
use crate::observe::object::Object;
use crate::observe::pins::{MAPS, PROBE, Pins, seal};

/// A watch as an earlier daemon left it.
#[derive(Debug, Clone, Copy)]
pub(in crate::observe) struct Left {
    pub(in crate::observe) dest: DestKey,
    pub(in crate::observe) watch: Watch,
    /// `None`: that daemon died before the watch had begun.
    pub(in crate::observe) since: Option<Moment>,
}

impl Probes {
    /// Goes on with what lies in `pins`, where the probe and the counting never stopped. Errors say why it cannot be
    /// trusted; nothing is changed then.
    pub(in crate::observe) fn adopt(
        object: &Object,
        kernel: &Kernel,
        flows: Option<u32>,
        pins: Pins,
    ) -> Result<(Self, Seal), String> {
        let found = seal_in(&pins)?;
        let today = seal::today(object, kernel, flows)?;
        if let Some(difference) = seal::difference(&found, &today) {
            return Err(difference.to_owned());
        }
        // The loader would make the missing ones.
        if let Some(missing) = MAPS.iter().find(|name| !pins.path(name).exists()) {
            return Err(format!("the map {missing} is missing"));
        }
        let probe = PinnedLink::from_pin(pins.path(PROBE))
            .map_err(|fault| format!("the probe: {}", with_causes(&fault)))?;
        let mut probes =
            Self::load(object, kernel, flows, Maps::Pinned(pins), None).map_err(|error| error.to_string())?;
        probes.probe = Some(probe.into());
        let health = probes.health().map_err(|error| error.to_string())?;
        if health.mistaken + health.unreadable + health.full > 0 {
            return Err(format!("their evidence is void: {health:?}"));
        }
        // What the programs remember is valid for one generation: none may come twice.
        let filter = probes.filter.get(&0, 0).map_err(|fault| with_causes(&fault))?;
        probes.generation = filter.0.generation;
        Ok((probes, found))
    }

    /// Goes on with the pinned count of arrivals. The error says why it is not whole; it goes on no more then.
    pub(in crate::observe) fn adopt_witness(
        &mut self,
        preference: Preference,
        named: &[String],
    ) -> Result<(), String> {
        let pins = self.pins.as_ref().ok_or("nothing is pinned")?;
        self.witness = Some(Witness::adopt(pins, preference, named)?);
        Ok(())
    }

    /// Takes off what the earlier daemon counted arrivals by.
    pub(in crate::observe) fn clear_witness(&self) -> Result<(), String> {
        self.pins.as_ref().map_or(Ok(()), arrivals::clear)
    }

    /// The watches that an earlier daemon left.
    pub(in crate::observe) fn left(&self) -> Result<Vec<Left>, ObserveError> {
        let fault = |fault| map_fault("reading what was watched", &fault);
        let mut found = Vec::new();
        for entry in &self.watched {
            let (Raw(dest), Raw(watch)) = entry.map_err(fault)?;
            let beginning = self.beginnings.get(&watch.slot, 0).map_err(fault)?.0;
            let counts_for = self.tally(watch)?.watch;
            let id = u64::from(watch.id);
            found.push(Left {
                dest,
                watch,
                since: (beginning.watch == id && counts_for == id)
                    .then(|| Moment::from_nanos(beginning.since)),
            });
        }
        Ok(found)
    }

    /// Writes down when a watch began.
    pub(in crate::observe) fn begin(&mut self, watch: Watch, since: Moment) -> Result<(), ObserveError> {
        let beginning = Beginning {
            watch: u64::from(watch.id),
            since: since.as_nanos(),
        };
        self.beginnings
            .set(watch.slot, Raw(beginning), 0)
            .map_err(|fault| map_fault("writing when a watch began", &fault))
    }

    /// Says that everything is in place, if anything is pinned: from now on a later daemon may go on with it.
    pub(in crate::observe) fn seal(&mut self, object: &Object, kernel: &Kernel, flows: Option<u32>) {
        if self.pins.is_none() {
            return;
        }
        let sealed = seal::today(object, kernel, flows).and_then(|today| {
            self.seal
                .set(0, Raw(today), 0)
                .map_err(|fault| format!("the seal cannot be written: {}", with_causes(&fault)))
        });
        if let Err(cause) = sealed {
            self.give_pins_up(&cause);
        }
    }

    /// Writes into the seal that arrivals were not counted for a while: no later daemon may take their count for whole.
    pub(in crate::observe) fn mark_gap(&mut self) -> Result<(), ObserveError> {
        let fault = |fault| map_fault("sealing what is pinned", &fault);
        let Raw(seal) = self.seal.get(&0, 0).map_err(fault)?;
        self.seal.set(0, Raw(Seal { gap: 1, ..seal }), 0).map_err(fault)
    }

    /// Pins the freshly made maps.
    pub(super) fn pin_maps(programs: &aya::Ebpf, pins: &Pins) -> Result<(), String> {
        pins.make()?;
        for name in MAPS {
            let map = programs
                .map(name)
                .ok_or_else(|| format!("there is no map {name}"))?;
            map.pin(pins.path(name))
                .map_err(|fault| format!("the map {name} cannot be pinned: {}", with_causes(&fault)))?;
        }
        Ok(())
    }

    /// Goes on without pins, as where there is no bpf file system.
    pub(in crate::observe) fn give_pins_up(&mut self, cause: &str) {
        if let Some(pins) = self.pins.take() {
            warn_unpinned(cause);
            discard(&pins);
        }
        if let Some(witness) = &mut self.witness {
            witness.unpin();
        }
    }

    /// Detaches everything and takes the pins away.
    pub(in crate::observe) fn close(mut self) {
        if let Some(witness) = self.witness.take() {
            witness.detach();
        }
        if let Some(pins) = self.pins.take() {
            discard(&pins);
        }
    }
}

fn seal_in(pins: &Pins) -> Result<Seal, String> {
    let read = || -> Result<Seal, MapError> {
        let map = Map::from_map_data(MapData::from_pin(pins.path("SEAL"))?)?;
        Ok(Array::<MapData, Raw<Seal>>::try_from(map)?.get(&0, 0)?.0)
    };
    read().map_err(|fault| format!("their seal cannot be read: {}", with_causes(&fault)))
}

/// Said once where it is found.
pub(in crate::observe) fn warn_unpinned(cause: &str) {
    warn!("a restart of the daemon begins every watch anew, because nothing can be pinned: {cause}");
}

pub(in crate::observe) fn discard(pins: &Pins) {
    if let Err(error) = pins.remove() {
        warn!(
            "what is pinned in {pins} cannot be taken away: {error}; `ipvsdrain daemon --clean` tries again"
        );
    }
}
