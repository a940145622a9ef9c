//! Puts one program on one interface, and takes it off again.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use aya::Ebpf;
use aya::programs::links::FdLink;
use aya::programs::tc::{NlOptions, TcAttachOptions};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode};
use aya::util::KernelVersion;
use tracing::warn;

use super::choice::Way;
use super::device::Device;
use super::{filter, link};
use crate::observe::faults::with_causes;
use crate::observe::pins::Pins;

const XDP_NATIVE: &str = "arrivals_xdp";
const XDP_GENERIC: &str = "arrivals_xdp_skb";

/// A program on an interface. Dropping it takes it off again, unless it is pinned.
#[derive(Debug)]
pub(super) struct Attached {
    device: Device,
    link: Link,
    /// What keeps it when this process ends.
    pin: Option<PathBuf>,
}

#[derive(Debug)]
pub(super) enum Link {
    Row {
        kind: Kind,
        /// Where the kernel tells whether it is still attached.
        told_by: Option<PathBuf>,
        /// Kept open.
        _link: FdLink,
    },
    /// A filter of the old kind, and the number of its program. It stays by itself; its pin only tells of it.
    Filter(u32),
}

/// What kind of link it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tcx,
    Xdp,
    XdpGeneric,
}

impl Kind {
    pub(super) const ALL: [Kind; 3] = [Kind::Tcx, Kind::Xdp, Kind::XdpGeneric];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Kind::Tcx => "tcx",
            Kind::Xdp => "xdp",
            Kind::XdpGeneric => "xdp-generic",
        }
    }
}

/// What a filter of the old kind is called, here and in the name of its pin.
pub(super) const FILTER: &str = "tc";

impl Link {
    pub(super) fn of(kind: Kind, link: FdLink) -> Self {
        let told_by = link::file_of(&link);
        Link::Row {
            kind,
            told_by,
            _link: link,
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Link::Row { kind, .. } => kind.word(),
            Link::Filter(_) => FILTER,
        }
    }
}

impl Attached {
    /// What an earlier daemon left, with the pin it lies under.
    pub(super) fn left(device: Device, link: Link, pin: PathBuf) -> Self {
        let pin = Some(pin);
        Self { device, link, pin }
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// Whether the kernel still has it there.
    pub(super) fn is_alive(&self) -> bool {
        match &self.link {
            Link::Row { told_by, .. } => told_by.as_deref().is_none_or(link::is_attached),
            Link::Filter(program) => {
                filter::programs(self.device.index).is_ok_and(|found| found.contains(program))
            }
        }
    }

    /// Whether it sees frames before the kernel's own work on them.
    pub(super) fn is_native(&self) -> bool {
        matches!(self.link, Link::Row { kind: Kind::Xdp, .. })
    }

    /// Takes it off, and its pin away.
    pub(super) fn detach(mut self) {
        if let Some(pin) = self.pin.take()
            && let Err(error) = fs::remove_file(&pin)
        {
            warn!("{self}: its pin {} cannot be taken away: {error}", pin.display());
        }
    }

    /// Its pin is gone: it lasts no longer than this value.
    pub(super) fn unpin(&mut self) {
        self.pin = None;
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if self.pin.is_none()
            && matches!(self.link, Link::Filter(_))
            && let Err(cause) = filter::detach(&self.device.name)
        {
            warn!("{self} cannot be taken off: {cause}");
        }
    }
}

/// `tcx:eth0`
impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.link.word(), self.device.name)
    }
}

/// How a classifier can be put there without a loss. From 6.6 on programs stand in a row of their own. Before, they are
/// filters of a queueing discipline, which must be there already: to add or take away one, the kernel takes the interface
/// out of use for a moment, and drops what it is to send (`docs/adr/0005`).
pub(super) fn classifier_way(device: &Device) -> Result<Way, String> {
    if KernelVersion::current().is_ok_and(|running| running >= KernelVersion::new(6, 6, 0)) {
        return Ok(Way::Tcx);
    }
    match filter::has_place(device.index) {
        Ok(true) => Ok(Way::Filter),
        Ok(false) => Err("it has no clsact, and adding one would drop packets".to_owned()),
        Err(error) => Err(format!("its queueing disciplines cannot be listed: {error}")),
    }
}

/// Puts it there, and pins it if there are pins.
pub(super) fn attach(
    programs: &mut Ebpf,
    device: &Device,
    way: Way,
    pins: Option<&Pins>,
) -> Result<Attached, String> {
    let (kind, link) = match way {
        Way::Filter => return filter(programs, device, pins),
        Way::Tcx => (Kind::Tcx, tcx(programs, &device.name)?),
        Way::XdpNative => (
            Kind::Xdp,
            xdp(programs, XDP_NATIVE, &device.name, XdpMode::Driver)?,
        ),
        Way::XdpGeneric => (
            Kind::XdpGeneric,
            xdp(programs, XDP_GENERIC, &device.name, XdpMode::Skb)?,
        ),
    };
    let pin = pins.map(|pins| pins.path(&name(kind.word(), device)));
    let link = match &pin {
        Some(pin) => link.pin(pin).map_err(|fault| with_causes(&fault))?.into(),
        None => link,
    };
    Ok(Attached {
        device: device.clone(),
        link: Link::of(kind, link),
        pin,
    })
}

/// The name of a pin. By the interface's number, because a name in a bpf file system has no dot.
fn name(word: &str, device: &Device) -> String {
    format!("{word}-{}", device.index)
}

/// At the front: a program before ours may accept a packet for good, and ours would not be asked.
fn tcx(programs: &mut Ebpf, device: &str) -> Result<FdLink, String> {
    let place = TcAttachOptions::TcxOrder(LinkOrder::first());
    let program = classifier(programs)?;
    let id = program
        .attach_with_options(device, TcAttachType::Ingress, place)
        .map_err(|fault| with_causes(&fault))?;
    let link = program.take_link(id).map_err(|fault| with_causes(&fault))?;
    FdLink::try_from(link).map_err(|fault| with_causes(&fault))
}

/// At the front as well: the kernel puts a filter without a priority before all others.
fn filter(programs: &mut Ebpf, device: &Device, pins: Option<&Pins>) -> Result<Attached, String> {
    let place = TcAttachOptions::Netlink(NlOptions::default());
    let program = classifier(programs)?;
    let id = program
        .attach_with_options(&device.name, TcAttachType::Ingress, place)
        .map_err(|fault| with_causes(&fault))?;
    // Dropped, it would take the filter off whether that is to stay or not.
    std::mem::forget(program.take_link(id).map_err(|fault| with_causes(&fault))?);
    let number = program.info().map_err(|fault| with_causes(&fault))?.id();
    let mut attached = Attached {
        device: device.clone(),
        link: Link::Filter(number),
        pin: None,
    };
    if let Some(pins) = pins {
        let pin = pins.path(&name(FILTER, device));
        program.pin(&pin).map_err(|fault| with_causes(&fault))?;
        attached.pin = Some(pin);
    }
    Ok(attached)
}

fn classifier(programs: &mut Ebpf) -> Result<&mut SchedClassifier, String> {
    let program: &mut SchedClassifier = find(programs, filter::PROGRAM)?;
    if program.fd().is_err() {
        program.load().map_err(|fault| with_causes(&fault))?;
    }
    Ok(program)
}

fn xdp(programs: &mut Ebpf, name: &str, device: &str, mode: XdpMode) -> Result<FdLink, String> {
    let program: &mut Xdp = find(programs, name)?;
    if program.fd().is_err() {
        program.load().map_err(|fault| with_causes(&fault))?;
    }
    let id = program
        .attach(device, mode)
        .map_err(|fault| with_causes(&fault))?;
    let link = program.take_link(id).map_err(|fault| with_causes(&fault))?;
    FdLink::try_from(link).map_err(|fault| with_causes(&fault))
}

fn find<'a, P>(programs: &'a mut Ebpf, name: &str) -> Result<&'a mut P, String>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    let program = programs
        .program_mut(name)
        .ok_or_else(|| format!("the eBPF object has no program {name}"))?;
    program
        .try_into()
        .map_err(|fault: ProgramError| with_causes(&fault))
}
