//! Why nothing can be observed, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::identity::{RealServer, VirtualService};

/// A failure of the observer. Each names what is missing and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    #[error(
        "{operation} is not permitted ({source}): run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYSLOG; \
         kernel lockdown in confidentiality mode also forbids it"
    )]
    Permission {
        operation: &'static str,
        source: io::Error,
    },

    #[error("{what} {} cannot be read: {source}", path.display())]
    Unreadable {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },

    #[error("the eBPF object {object} is broken: {fault}. Rebuild it with `cargo xtask ebpf`")]
    BrokenObject { object: String, fault: String },

    #[error(
        "the eBPF object {object} has layout version {found}, this program reads version {expected}: use the \
         object that was built with it"
    )]
    OtherLayout {
        object: String,
        found: u32,
        expected: u32,
    },

    #[error(
        "the ip_vs module is not loaded: `modprobe ip_vs` loads it, and so does the first virtual service"
    )]
    IpvsNotLoaded,

    #[error(
        "ip_vs was unloaded while it was observed: nothing that was attached to it sees anything any more. It is observed \
         anew once it is loaded"
    )]
    IpvsUnloaded,

    #[error(
        "ip_vs was unloaded and loaded again while it was observed: nothing that was attached to it sees anything any \
         more. It is observed anew at the next step"
    )]
    IpvsReloaded,

    #[error(
        "the kernel has no type information for ip_vs ({} is missing): it needs CONFIG_DEBUG_INFO_BTF_MODULES, \
         which kernels before 5.11 do not have",
        path.display()
    )]
    NoTypes { path: PathBuf },

    #[error("the kernel's type information in {} is broken: {fault}", path.display())]
    BrokenTypes { path: PathBuf, fault: String },

    #[error("this kernel has no struct {structure}: its connections cannot be read")]
    StructMissing { structure: &'static str },

    #[error("struct {structure} has no member \"{member}\" in this kernel: its connections cannot be read")]
    FieldMissing {
        structure: &'static str,
        member: &'static str,
    },

    #[error("member \"{member}\" of struct {structure} is not as expected: {fault}")]
    FieldStrange {
        structure: &'static str,
        member: &'static str,
        fault: String,
    },

    #[error(
        "the kernel hides its addresses in {}: set kernel.kptr_restrict to 1 and keep CAP_SYSLOG, or run as root",
        path.display()
    )]
    AddressesHidden { path: PathBuf },

    #[error("this kernel has no function {function}: it cannot be observed")]
    FunctionMissing { function: &'static str },

    #[error(
        "{function} cannot be traced ({source}): the kernel needs CONFIG_KPROBES, and the function must not be \
         excluded from tracing (see kprobes/blacklist in tracefs)"
    )]
    NotTraceable {
        function: &'static str,
        source: io::Error,
    },

    #[error("the kernel's verifier refuses the program {program} ({source}); the end of its log:\n{log}")]
    Rejected {
        program: &'static str,
        source: io::Error,
        log: String,
    },

    /// What was found when the facts were read, told again.
    #[error("{cause}")]
    NoProbe { cause: String },

    #[error("live flows cannot be seen: {causes}")]
    NoRung { causes: String },

    #[error(
        "the kernel's table of connections was not read whole ({lines} lines within the budget): raise the seed budget"
    )]
    SeedCut { lines: u64 },

    #[error("the kernel's table of connections has not been read yet")]
    NoSeed,

    #[error("arrivals are no longer counted: {cause}")]
    WitnessGone { cause: String },

    #[error("{operation} failed: {fault}")]
    Kernel { operation: &'static str, fault: String },

    #[error("{server} of {service} is not watched: watch it first")]
    NotWatched {
        service: VirtualService,
        server: RealServer,
    },

    #[error("{limit} real servers are watched already, and there is no room for {server} of {service}")]
    TooMany {
        service: VirtualService,
        server: RealServer,
        limit: u32,
    },

    #[error("a quiet window of {asked} s cannot be observed: the longest is {longest} s")]
    WindowTooLong { asked: u64, longest: u64 },
}

impl ObserveError {
    /// It tells what this kernel is, and not what an operator should mend: a lower rung of the ladder may do.
    pub(super) fn is_the_kernels(&self) -> bool {
        matches!(
            self,
            ObserveError::NoProbe { .. }
                | ObserveError::NoTypes { .. }
                | ObserveError::BrokenTypes { .. }
                | ObserveError::StructMissing { .. }
                | ObserveError::FieldMissing { .. }
                | ObserveError::FieldStrange { .. }
                | ObserveError::FunctionMissing { .. }
                | ObserveError::NotTraceable { .. }
                | ObserveError::Rejected { .. }
        )
    }
}
