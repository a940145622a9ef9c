//! Which of the two programs on `ip_vs_conn_put` counts: fentry where the kernel takes it, else the kprobe.
//!
//! Owns the choice and its reason in words. Both programs count alike; the kprobe costs more per packet.

use aya::Ebpf;
use aya::programs::{KProbe, ProgramError};

use super::error::ObserveError;
use super::facts::{FunctionType, TRACED};
use super::fentry::Fentry;
use super::object::Object;
use super::probes::{attach_fault, broken, verify_fault};

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
        Ok(Self::Kprobe { cause })
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
                    *self = Self::Kprobe { cause: Some(why) };
                }
            }
        }
        kprobe(object, programs)?
            .attach(TRACED, 0)
            .map_err(attach_fault)?;
        Ok(())
    }

    /// For people: the hook, the function, and why it is not the cheaper hook.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Fentry(_) => format!("fentry:{TRACED}"),
            Self::Kprobe { cause: None } => format!("kprobe:{TRACED}"),
            Self::Kprobe { cause: Some(cause) } => format!("kprobe:{TRACED} (fentry refused: {cause})"),
        }
    }
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
