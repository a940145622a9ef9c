//! Puts one program on one interface.

use std::fmt;
use std::path::PathBuf;

use aya::Ebpf;
use aya::programs::links::FdLink;
use aya::programs::tc::{NlOptions, SchedClassifierLink, TcAttachOptions};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode, tc};
use aya::util::KernelVersion;
use nix::libc::EEXIST;

use super::choice::Way;
use super::device::Device;
use super::link;
use crate::observe::probes::with_causes;

const CLASSIFIER: &str = "arrivals_tc";
const XDP_NATIVE: &str = "arrivals_xdp";
const XDP_GENERIC: &str = "arrivals_xdp_skb";

/// A program on an interface. Dropping the link takes it off again.
#[derive(Debug)]
pub(super) struct Attached {
    device: String,
    link: Link,
    /// Where the kernel tells whether it is still there.
    told_by: Option<PathBuf>,
}

#[derive(Debug)]
enum Link {
    Tcx(FdLink),
    /// A filter of the old kind, which is taken off from within its network namespace.
    Filter(#[expect(dead_code, reason = "dropping it takes the filter off")] SchedClassifierLink),
    Xdp(FdLink),
    XdpGeneric(FdLink),
}

impl Attached {
    /// Whether the kernel still has it there. A filter of the old kind cannot be asked for.
    pub(super) fn is_alive(&self) -> bool {
        self.told_by.as_deref().is_none_or(link::is_attached)
    }

    /// Whether it sees frames before the kernel's own work on them.
    pub(super) fn is_native(&self) -> bool {
        matches!(self.link, Link::Xdp(_))
    }
}

/// `tcx:eth0`
impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.link {
            Link::Tcx(_) => "tcx",
            Link::Filter(_) => "tc",
            Link::Xdp(_) => "xdp",
            Link::XdpGeneric(_) => "xdp-generic",
        };
        write!(f, "{word}:{}", self.device)
    }
}

pub(super) fn attach(programs: &mut Ebpf, device: &Device, way: Way) -> Result<Attached, String> {
    let link = match way {
        Way::Classifier => classifier(programs, &device.name),
        Way::XdpNative => xdp(programs, XDP_NATIVE, &device.name, XdpMode::Driver).map(Link::Xdp),
        Way::XdpGeneric => xdp(programs, XDP_GENERIC, &device.name, XdpMode::Skb).map(Link::XdpGeneric),
    }?;
    let told_by = match &link {
        Link::Tcx(link) | Link::Xdp(link) | Link::XdpGeneric(link) => link::file_of(link),
        Link::Filter(_) => None,
    };
    Ok(Attached {
        device: device.name.clone(),
        link,
        told_by,
    })
}

fn classifier(programs: &mut Ebpf, device: &str) -> Result<Link, String> {
    let program: &mut SchedClassifier = find(programs, CLASSIFIER)?;
    if program.fd().is_err() {
        program.load().map_err(|fault| with_causes(&fault))?;
    }
    // From 6.6 on programs stand in a row of their own; before, they are filters of a queueing discipline.
    let has_row = KernelVersion::current().is_ok_and(|running| running >= KernelVersion::new(6, 6, 0));
    if !has_row {
        match tc::qdisc_add_clsact(device) {
            Ok(()) => {}
            // It is there: another hand's, or ours of an earlier watch. It is never taken away.
            Err(tc::TcError::NetlinkError(fault)) if fault.raw_os_error() == Some(EEXIST) => {}
            Err(fault) => return Err(with_causes(&fault)),
        }
    }
    // At the front either way: a program before ours may accept a packet for good, and ours would not be asked. A
    // filter without a priority is put before all others.
    let place = if has_row {
        TcAttachOptions::TcxOrder(LinkOrder::first())
    } else {
        TcAttachOptions::Netlink(NlOptions::default())
    };
    let id = program
        .attach_with_options(device, TcAttachType::Ingress, place)
        .map_err(|fault| with_causes(&fault))?;
    let link = program.take_link(id).map_err(|fault| with_causes(&fault))?;
    if !has_row {
        return Ok(Link::Filter(link));
    }
    FdLink::try_from(link)
        .map(Link::Tcx)
        .map_err(|fault| with_causes(&fault))
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
