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
#[cfg(test)]
mod borrowing_tests;
mod changes;
mod course;
#[cfg(test)]
mod course_tests;
mod deadline;
#[cfg(test)]
mod deadline_tests;
mod decay;
mod evidence;
mod facts;
mod failing;
#[cfg(test)]
mod failing_policy_tests;
#[cfg(test)]
mod failing_tests;
mod floor;
mod hazards;
#[cfg(test)]
mod hazards_tests;
mod hold;
mod judgement;
mod leak;
mod lending;
mod lull;
mod other_hand;
#[cfg(test)]
mod other_hand_tests;
mod outcome;
mod plan;
mod policy;
mod pool;
mod record;
mod refusal;
mod removal;
mod restoring;
#[cfg(test)]
mod returning_tests;
mod rules;
#[cfg(test)]
mod rung_tests;
#[cfg(test)]
mod shadow_tests;
mod stance;
#[cfg(test)]
mod stance_tests;
mod state;
mod step;
#[cfg(test)]
mod step_tests;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod witness_tests;

pub use action::{Action, Note};
pub use admission::{Ground, Request, begin, put_back_by_another, recover, restore, take_over};
pub use changes::Changes;
pub use course::{Course, silence_left};
pub use deadline::Overdue;
pub use decay::{Sample, Samples};
pub use evidence::Witness;
pub use facts::{Arrivals, AtZero, Evidence, Facts, Flows, Lacking, Rung, Scheduler, Server, Service, Table};
pub use failing::{Failure, FailurePolicy, OnFailure};
pub use floor::{Capacity, Floor, Member, Shortfall};
pub use hazards::{About, Hazard, Outlook};
pub use hold::Hold;
pub use judgement::Judgement;
pub use leak::Leaks;
pub use lending::{Borrowed, Loan, Setting};
pub use other_hand::OtherHand;
pub use outcome::Outcome;
pub use plan::{Plan, plan};
pub use policy::{
    FallbackUse, OnDeadline, OtherHands, PersistenceUse, Pinned, Policy, PolicyError, SysctlUse, Then,
};
pub use pool::{Forced, capacity};
pub use record::{Observed, Reason, Record, Removal, Seen, TakenOver, Transition};
pub use refusal::Refusal;
pub use restoring::Ramp;
pub use rules::{Adopt, Adopted, Match, Rule, Rules};
pub use stance::{Stance, failure, stance};
pub use state::State;
pub use step::{Step, step};
