//! The witness of arrivals: programs on the interfaces that bring packets in, before IPVS sees them.
//!
//! `device` reads what the interfaces are -> `choice` (pure) says where and how to try -> `attach` does it. What a
//! packet means is counted by the programs; what was counted is read by [`super::reading`].

mod attach;
mod choice;
mod device;
mod filter;
mod left;
mod link;
mod route;

use aya::Ebpf;
use tracing::{info, warn};

pub use self::choice::Preference;
pub(super) use self::left::{clear, take_filters_off};

use self::attach::Attached;
use super::pins::Pins;
use crate::identity::{Protocol, VirtualService};

/// Interfaces whose arrivals are counted, while this lives. Dropping it detaches, unless it is pinned.
#[derive(Debug)]
pub(super) struct Witness {
    attached: Vec<Attached>,
}

impl Witness {
    /// Attaches to the interfaces of the calling thread's network namespace that bring packets in, or to those named.
    /// Each interface takes the first way that works. Errors say why on one of them, or all, none did.
    pub(super) fn attach(
        programs: &mut Ebpf,
        preference: Preference,
        named: &[String],
        pins: Option<&Pins>,
    ) -> Result<Self, String> {
        if preference == Preference::Off {
            return Err("the configuration says so".to_owned());
        }
        let devices = device::all().map_err(|error| format!("the interfaces cannot be listed: {error}"))?;
        let chosen = choice::devices(&devices, named)?;
        let mut attached = Vec::new();
        for device in chosen {
            match first_that_works(programs, device, preference, pins) {
                Ok(one) => attached.push(one),
                Err(cause) => {
                    Self { attached }.detach();
                    return Err(cause);
                }
            }
        }
        Ok(Self { attached })
    }

    /// `tcx:eth0`, for every interface.
    pub(super) fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.attached.iter().map(ToString::to_string)
    }

    /// Takes everything off, pins and all.
    pub(super) fn detach(self) {
        for attached in self.attached {
            attached.detach();
        }
    }

    /// The pins are gone: it lasts no longer than this value.
    pub(super) fn unpin(&mut self) {
        for attached in &mut self.attached {
            attached.unpin();
        }
    }

    /// Whether every program is still where it was put, as far as the kernel tells. If not, which one is gone.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.attached.iter().find(|attached| !attached.is_alive()) {
            None => Ok(()),
            Some(gone) => Err(format!(
                "the program {gone} was detached by another hand, or its interface is gone"
            )),
        }
    }

    /// Whether what arrives for this service is counted as IPVS counts it. Native XDP leaves TCP out, which GRO merges
    /// behind it; a service of marked packets may hold TCP.
    pub(super) fn counts(&self, service: &VirtualService) -> Result<(), String> {
        let has_tcp = match service {
            VirtualService::Address { protocol, .. } => *protocol == Protocol::Tcp,
            VirtualService::Fwmark { .. } => true,
        };
        match self.attached.iter().find(|attached| attached.is_native()) {
            Some(native) if has_tcp => Err(format!(
                "the program {native} sees TCP before the kernel merges its segments, and leaves it out"
            )),
            _ => Ok(()),
        }
    }
}

fn first_that_works(
    programs: &mut Ebpf,
    device: &device::Device,
    preference: Preference,
    pins: Option<&Pins>,
) -> Result<Attached, String> {
    let classifier = attach::classifier_way(device);
    let mut causes = Vec::new();
    for way in choice::ways(preference, classifier.as_ref().ok().copied()) {
        match attach::attach(programs, device, way, pins) {
            Ok(attached) => {
                if causes.is_empty() {
                    info!("arrivals are counted by {attached}");
                } else {
                    warn!("arrivals are counted by {attached}: {}", causes.join("; "));
                }
                return Ok(attached);
            }
            Err(cause) => causes.push(format!("{} not possible on {}: {cause}", way.word(), device.name)),
        }
    }
    if let Err(cause) = classifier {
        causes.push(format!("a classifier not possible on {}: {cause}", device.name));
    }
    Err(causes.join("; "))
}
