//! The decision: when a real server may be quiesced, is drained, and is removed.
//!
//! Pure. [`begin`] admits a drain, [`step`] moves it: record, facts and time go in; record, actions and notes
//! come out. Nothing here reads a clock, a socket or a file, and nothing here knows how facts are found or how
//! actions are performed. The same facts always give the same decision.

mod action;
mod admission;
#[cfg(test)]
mod aftermath_tests;
mod agreement;
mod evidence;
mod facts;
mod judgement;
mod outcome;
mod policy;
mod record;
#[cfg(test)]
mod rung_tests;
mod step;
#[cfg(test)]
mod step_properties;
#[cfg(test)]
mod step_tests;

pub use action::{Action, Note};
pub use admission::{Refusal, Request, begin, restore};
pub use evidence::Witness;
pub use facts::{Arrivals, Evidence, Facts, Flows, Lacking, Rung, Server, Table};
pub use judgement::Judgement;
pub use outcome::Outcome;
pub use policy::{Pinned, Policy, PolicyError, SysctlUse};
pub use record::{Hold, Observed, Record, Removal, State, Transition};
pub use step::{Step, step};
