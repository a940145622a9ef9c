//! What the doctor looks at, as plain values: [`super::gather`] collects them, [`super::judge`] judges them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::drain::{Policy, Rules, Scheduler};

/// Where to look.
#[derive(Debug, Clone)]
pub struct Asked {
    pub state: PathBuf,
    pub socket: PathBuf,
    /// What the configuration allows.
    pub rules: Rules,
}

/// What was found; an `Err` says in a sentence why something could not be learned.
#[derive(Debug, Clone)]
pub struct Facts {
    pub kernel: String,
    pub ip_vs: IpVs,
    pub table: Result<Vec<ServiceFact>, String>,
    pub observing: Observing,
    /// Those a daemon uses and this process lacks; `None` where that is not known.
    pub missing_capabilities: Option<Vec<&'static str>>,
    pub bpf: Folder,
    pub perf_event_paranoid: Option<i64>,
    /// By name below `net.ipv4.vs`; those that are not there are missing.
    pub settings: BTreeMap<String, String>,
    pub state_path: PathBuf,
    pub state: Folder,
    pub daemon: Daemon,
    /// Programs that write the same table, by process name.
    pub controllers: Vec<String>,
    pub boot_id: Result<String, String>,
    /// Seconds since 1970.
    pub now_unix: u64,
    /// What the configuration allows where no rule for a service says otherwise.
    pub policy: Policy,
    pub shadow: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpVs {
    Loaded,
    NotLoaded,
}

/// What the observer found out without loading anything.
#[derive(Debug, Clone)]
pub struct Observing {
    /// This process may load programs. Else why not.
    pub rights: Result<(), String>,
    /// The layout of ip_vs is known: its type information and addresses can be read. Else why not.
    pub layout: Result<(), String>,
    /// Where it is not: a lower rung of the ladder may do.
    pub lower_rung: bool,
    /// The probe can be an fentry program.
    pub fentry: bool,
    /// The kernel has kprobes for perf.
    pub kprobes: bool,
}

/// A service, as far as it matters to drains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFact {
    pub name: String,
    pub scheduler: Scheduler,
    pub persistent: bool,
    /// What the configuration allows here.
    pub policy: Policy,
}

/// A folder that must be there and writable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    Missing,
    /// It is there and is not what it should be: no folder, or no bpf file system.
    Other,
    ReadOnly,
    Writable {
        free_bytes: u64,
        /// Others than its owner may write to it.
        open: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Daemon {
    Answers { journal_fault: Option<String> },
    Silent(String),
}
