//! After a restart: goes on with what an earlier daemon left in the kernel, where it counted all the time.
//!
//! Whatever is missing, differs or contradicts itself is discarded whole, with its cause in the log, and the watches begin
//! anew. That costs a quiet window and is never wrong.

use std::collections::BTreeSet;

use tracing::{info, warn};

use super::ladder::{Rung, Standing};
use super::pins::Pins;
use super::probes::{Probes, discard};
use super::{Observer, Watched, arrivals, watch};
use crate::clock;
use crate::identity::{RealServer, VirtualService};

impl Observer {
    /// Takes up those watches of an earlier daemon that are `asked` for, and ends its other ones. To be called once,
    /// before anything is watched.
    pub fn take_up(&mut self, asked: &BTreeSet<(VirtualService, RealServer)>) {
        if let Some(pins) = self.pins.clone() {
            discard_other_layouts(&pins);
            if pins.exists()
                && let Err(cause) = self.adopt(&pins, asked)
            {
                warn!("what an earlier daemon left in {pins} is discarded, every watch begins anew: {cause}");
                self.probes = None;
                self.watched.clear();
                discard(&pins);
            }
        }
        if self.probes.is_none() {
            match arrivals::take_filters_off() {
                Ok(gone) if gone.is_empty() => {}
                Ok(gone) => info!("taken off, an earlier daemon left it: {}", gone.join(", ")),
                Err(cause) => warn!("{cause}"),
            }
        }
    }

    fn adopt(&mut self, pins: &Pins, asked: &BTreeSet<(VirtualService, RealServer)>) -> Result<(), String> {
        if asked.is_empty() {
            return Err("nothing is being drained".to_owned());
        }
        super::rights::check().map_err(|error| error.to_string())?;
        let kernel = self.kernel.clone()?;
        let capacity = self.sources.flow_capacity;
        let (mut probes, seal) = Probes::adopt(&self.object, &kernel, capacity, pins.clone())?;
        for left in probes.left().map_err(|error| error.to_string())? {
            let is_it = |(service, server): &&(VirtualService, RealServer)| {
                watch::dest_key(service, server) == left.dest
            };
            if let (Some(name), Some(since)) = (asked.iter().find(is_it), left.since) {
                let watched = Watched {
                    since,
                    ..Watched::new(left.watch)
                };
                self.watched.insert(*name, watched);
                self.last_id = self.last_id.max(left.watch.id);
            } else {
                // The first look stays as it is: which servers a flow may be handed to is not known yet.
                probes
                    .leave(left.dest, left.watch)
                    .map_err(|error| error.to_string())?;
            }
        }
        if self.watched.is_empty() {
            return Err("none of its watches is asked for".to_owned());
        }
        let gap = match probes.adopt_witness(self.sources.arrivals, &self.sources.interfaces) {
            Ok(()) if seal.gap == 0 => None,
            Ok(()) => Some("arrivals were not counted for a while".to_owned()),
            Err(cause) => {
                probes.clear_witness()?;
                Some(format!("arrivals were not counted all the time: {cause}"))
            }
        };
        let is_counting = probes.witness().is_some();
        self.probes = Some(probes);
        self.standing = Standing {
            rung: Rung::Probes,
            cause: None,
        };
        if let Some(gap) = gap {
            warn!("lost packets are not counted: {gap}");
            if is_counting {
                self.note_gap(&gap);
            } else {
                self.witness_anew(&gap, clock::now())
                    .map_err(|error| error.to_string())?;
            }
        }
        for (service, server) in self.watched.keys().copied().collect::<Vec<_>>() {
            if let Some(mut watched) = self.watched.remove(&(service, server)) {
                let age = clock::now().since(watched.since).as_secs();
                info!(%service, %server, "its watch goes on: it is {age} s old");
                self.seed_or_warn(&service, &server, &mut watched);
                self.watched.insert((service, server), watched);
            }
        }
        Ok(())
    }
}

fn discard_other_layouts(pins: &Pins) {
    match pins.of_other_layouts() {
        Ok(found) => {
            for other in found {
                info!("{other} is of another layout of ipvsdrain and is taken away");
                discard(&other);
            }
        }
        Err(error) => warn!("pins of other layouts cannot be looked for: {error}"),
    }
}
