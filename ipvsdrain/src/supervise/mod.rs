//! The loop around the decision: gathers facts, asks [`crate::drain`], journals, performs the actions.
//!
//! Journal first, kernel second, confirm third. Only [`executor`] changes the kernel, and only through
//! [`Kernel`]; only [`journal`] writes to disk.

mod adoption;
#[cfg(test)]
mod aftermath_tests;
mod executor;
mod failures;
#[cfg(test)]
mod failures_tests;
#[cfg(test)]
pub(crate) mod fake_kernel;
mod gather;
pub mod journal;
#[cfg(test)]
mod journal_fault_tests;
mod kernel;
mod linux;
mod ordered;
mod overview;
mod planning;
mod release;
mod request;
mod supervisor;
#[cfg(test)]
mod supervisor_tests;
pub mod sysctl;
mod take_up;
mod tally;
mod watch_fault;

pub use crate::observe::{
    FlowDetail, FlowDetails, Preference, ProgramRuns, Rung, SeedSummary, Sources, Usage, clean,
};
pub use failures::ServerHealth;
pub use kernel::{Fault, Found, Kernel, ListedServer, ListedService, Listing};
pub use linux::Linux;
pub(crate) use linux::at_zero;
pub use overview::Overview;
pub use request::{Command, Handle, Order, RequestError};
pub use supervisor::Supervisor;
pub use take_up::{JournalCondition, REBOOTED};
pub use tally::Tally;
