//! Which of the two programs on `ip_vs_conn_put` counts: fentry where the kernel takes it, else the kprobe.
//!
//! Owns the choice and its reason in words. Both programs count alike; the kprobe costs more per packet.

use std::os::fd::BorrowedFd;
use std::path::Path;

use aya::Ebpf;
use aya::programs::kprobe::KProbeLinkId;
use aya::programs::links::{FdLink, LinkType};
use aya::programs::{KProbe, ProgramError};

use super::error::ObserveError;
use super::facts::{FunctionType, TRACED};
use super::faults::{attach_fault, broken, verify_fault, with_causes};
use super::fentry::Fentry;
use super::object::Object;

/// A way to be called at the beginning of a kernel function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// By a trampoline that the kernel writes for the program. Needs type information of the function.
    Fentry,
    /// By a trap or a jump through the kernel's tracing.
    Kprobe,
}

/// The program that was chosen, loaded and verified.
#[derive(Debug)]
pub(super) enum Chosen {
    Fentry(Fentry),
    Kprobe {
        /// Why fentry is not used; `None` where it was not wanted.
        cause: Option<String>,
        /// What aya calls its attachment, until it is pinned.
        attached: Option<KProbeLinkId>,
    },
}

impl Chosen {
    /// Loads fentry, or the kprobe if fentry is refused. With `only`, that one or nothing.
    pub(super) fn load(
        only: Option<Hook>,
        object: &Object,
        programs: &mut Ebpf,
        function: Option<FunctionType>,
    ) -> Result<Self, ObserveError> {
        let mut cause = None;
        if only != Some(Hook::Kprobe) {
            let tried = function
                .ok_or_else(|| "the running kernel's own type information was not read".to_owned())
                .and_then(|function| Fentry::load(&object.bytes, programs, function));
            match tried {
                Ok(fentry) => return Ok(Self::Fentry(fentry)),
                Err(why) if only.is_some() => return Err(refused(why)),
                Err(why) => cause = Some(why),
            }
        }
        load_kprobe(object, programs)?;
        Ok(Self::Kprobe {
            cause,
            attached: None,
        })
    }

    /// Attaches what was loaded, or the kprobe if fentry cannot be attached.
    pub(super) fn attach(
        &mut self,
        only: Option<Hook>,
        object: &Object,
        programs: &mut Ebpf,
    ) -> Result<(), ObserveError> {
        if let Self::Fentry(fentry) = self {
            match fentry.attach() {
                Ok(()) => return Ok(()),
                Err(why) if only.is_some() => return Err(refused(why)),
                Err(why) => {
                    load_kprobe(object, programs)?;
                    *self = Self::Kprobe {
                        cause: Some(why),
                        attached: None,
                    };
                }
            }
        }
        if let Self::Kprobe { attached, .. } = self {
            *attached = Some(
                kprobe(object, programs)?
                    .attach(TRACED, 0)
                    .map_err(attach_fault)?,
            );
        }
        Ok(())
    }

    /// Gives the attachment a name in a bpf file system, by which it outlives this process. Whatever the error, it has to
    /// be attached again.
    pub(super) fn pin(
        &mut self,
        object: &Object,
        programs: &mut Ebpf,
        path: &Path,
    ) -> Result<FdLink, String> {
        let fault = |cause: String| format!("the probe cannot be pinned: {cause}");
        match self {
            Self::Fentry(fentry) => fentry.pin(path).map_err(fault),
            Self::Kprobe { attached, .. } => {
                let id = attached
                    .take()
                    .ok_or_else(|| fault("it is not attached".to_owned()))?;
                let program = kprobe(object, programs).map_err(|error| fault(error.to_string()))?;
                let link = program
                    .take_link(id)
                    .map_err(|error| fault(with_causes(&error)))?;
                let link = FdLink::try_from(link).map_err(|error| fault(with_causes(&error)))?;
                let pinned = link.pin(path).map_err(|error| fault(with_causes(&error)))?;
                Ok(pinned.into())
            }
        }
    }

    /// The program that aya does not know, with its name.
    pub(super) fn fentry(&self) -> Option<(&'static str, BorrowedFd<'_>)> {
        match self {
            Self::Fentry(fentry) => Some(fentry.program()),
            Self::Kprobe { .. } => None,
        }
    }

    /// For people: the hook, the function, and why it is not the cheaper hook.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Fentry(_) => format!("fentry:{TRACED}"),
            Self::Kprobe { cause: None, .. } => format!("kprobe:{TRACED}"),
            Self::Kprobe {
                cause: Some(cause), ..
            } => format!("kprobe:{TRACED} (fentry refused: {cause})"),
        }
    }
}

/// The same of an attachment that an earlier daemon pinned.
pub(super) fn name_of_link(link: &FdLink) -> String {
    let kind = link.info().and_then(|info| info.link_type());
    let word = match kind {
        Ok(LinkType::PerfEvent) => "kprobe",
        _ => "fentry",
    };
    format!("{word}:{TRACED}")
}

fn refused(fault: String) -> ObserveError {
    ObserveError::Kernel {
        operation: "tracing ip_vs_conn_put by fentry",
        fault,
    }
}

fn load_kprobe(object: &Object, programs: &mut Ebpf) -> Result<(), ObserveError> {
    kprobe(object, programs)?.load().map_err(verify_fault)
}

fn kprobe<'a>(object: &Object, programs: &'a mut Ebpf) -> Result<&'a mut KProbe, ObserveError> {
    programs
        .program_mut(TRACED)
        .ok_or_else(|| broken(object, format!("it has no program {TRACED}")))?
        .try_into()
        .map_err(|fault: ProgramError| broken(object, fault.to_string()))
}
