//! What an earlier daemon left on the interfaces: taken over if it is what would be put there now, or taken off.

use std::fs;

use aya::programs::ProgramInfo;
use aya::programs::links::PinnedLink;

use super::attach::{Attached, FILTER, Kind, Link};
use super::device::{self, Device};
use super::{Preference, Witness, choice, filter};
use crate::observe::faults::with_causes;
use crate::observe::pins::Pins;

impl Witness {
    /// Goes on with what is pinned, if it is still attached to each interface that is to be looked at, and to no other.
    /// In whichever way it is attached: each of them counts the same. Errors say what is not as it should be.
    pub(in crate::observe) fn adopt(
        pins: &Pins,
        preference: Preference,
        named: &[String],
    ) -> Result<Self, String> {
        let devices = device::all().map_err(|error| format!("the interfaces cannot be listed: {error}"))?;
        let pinned = pins
            .names()
            .map_err(|error| format!("{pins} cannot be listed: {error}"))?;
        let mut attached = Vec::new();
        for name in pinned {
            if let Some((word, index)) = parse(&name) {
                attached.push(open(pins, &name, word, index, &devices)?);
            }
        }
        let chosen = match preference {
            Preference::Off => Vec::new(),
            _ => choice::devices(&devices, named)?,
        };
        let is_same = attached.len() == chosen.len()
            && chosen
                .iter()
                .all(|device| attached.iter().any(|there| there.device() == *device));
        if !is_same {
            let there: Vec<String> = attached.iter().map(ToString::to_string).collect();
            return Err(format!(
                "they were counted by [{}], and other interfaces are to be looked at",
                there.join(", ")
            ));
        }
        if attached.is_empty() {
            return Err("they were not counted".to_owned());
        }
        let witness = Self { attached };
        witness.check()?;
        Ok(witness)
    }
}

/// The kind and the interface that the name of a pin tells; `None` if it is the pin of something else.
fn parse(name: &str) -> Option<(&str, u32)> {
    let (word, index) = name.rsplit_once('-')?;
    let is_known = word == FILTER || Kind::ALL.iter().any(|kind| kind.word() == word);
    Some((word, index.parse().ok().filter(|_| is_known)?))
}

fn open(pins: &Pins, name: &str, word: &str, index: u32, devices: &[Device]) -> Result<Attached, String> {
    let device = devices
        .iter()
        .find(|device| device.index == index)
        .ok_or_else(|| format!("interface {index} is gone"))?;
    let pin = pins.path(name);
    let unreadable = |fault: &dyn std::error::Error| format!("{}: {}", pin.display(), with_causes(fault));
    let link = match Kind::ALL.into_iter().find(|kind| kind.word() == word) {
        Some(kind) => {
            let pinned = PinnedLink::from_pin(&pin).map_err(|fault| unreadable(&fault))?;
            Link::of(kind, pinned.into())
        }
        None => Link::Filter(
            ProgramInfo::from_pin(&pin)
                .map_err(|fault| unreadable(&fault))?
                .id(),
        ),
    };
    Ok(Attached::left(device.clone(), link, pin))
}

/// Takes off everything that is pinned, and everything that stays on an interface by itself.
pub(in crate::observe) fn clear(pins: &Pins) -> Result<(), String> {
    let unlisted = |error| format!("{pins} cannot be listed: {error}");
    for name in pins.names().map_err(unlisted)? {
        if parse(&name).is_some() {
            let pin = pins.path(&name);
            fs::remove_file(&pin)
                .map_err(|error| format!("the pin {} cannot be taken away: {error}", pin.display()))?;
        }
    }
    take_filters_off().map(drop)
}

/// Takes off what stays on an interface by itself when its daemon is killed. Returns the names of what was there.
pub(in crate::observe) fn take_filters_off() -> Result<Vec<String>, String> {
    let devices = device::all().map_err(|error| format!("the interfaces cannot be listed: {error}"))?;
    let mut gone = Vec::new();
    for device in devices {
        let name = format!("{FILTER}:{}", device.name);
        let found =
            filter::programs(device.index).map_err(|error| format!("{name} cannot be asked for: {error}"))?;
        if !found.is_empty() {
            filter::detach(&device.name).map_err(|cause| format!("{name} cannot be taken off: {cause}"))?;
            gone.push(name);
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_pin_tells_kind_and_interface() {
        assert_eq!(parse("tcx-4"), Some(("tcx", 4)));
        assert_eq!(parse("xdp-generic-12"), Some(("xdp-generic", 12)));
        assert_eq!(parse("tc-3"), Some(("tc", 3)));
        for other in ["FLOWS", "probe", "tcx-", "tcx-eth0", "map-4"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
