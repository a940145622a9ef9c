//! What could be observed here, found out by reading alone: nothing is loaded, nothing is attached.

use std::path::Path;

use super::error::ObserveError;
use super::{Sources, host, plan, rights};

/// Where the kernel tells that perf can make kprobes.
const KPROBES: &str = "/sys/bus/event_source/devices/kprobe/type";

/// What stands in the way of probes, and which kind of them is possible.
#[derive(Debug)]
pub struct Outlook {
    /// Whether this process may load programs.
    pub rights: Result<(), ObserveError>,
    /// Where the programs read is known; then whether the function can be traced by fentry.
    pub layout: Result<bool, ObserveError>,
    /// Where it is not known: whether that is what this kernel is, so that a lower rung of the ladder may do.
    pub lower_rung: bool,
    /// Whether the kernel has kprobes.
    pub kprobes: bool,
}

/// Reads what a daemon would read at its start.
pub fn outlook() -> Outlook {
    let planned = host::collect(&Sources::default()).and_then(|facts| {
        plan::plan(&facts)?;
        Ok(facts.traced.is_some())
    });
    Outlook {
        rights: rights::check(),
        lower_rung: planned.as_ref().is_err_and(ObserveError::is_the_kernels),
        layout: planned,
        kprobes: Path::new(KPROBES).exists(),
    }
}
