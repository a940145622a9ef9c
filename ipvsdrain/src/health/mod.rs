//! What is said about the health of real servers, and what follows from all of it about one of them.
//!
//! Pure: findings and time go in, a [`Health`] comes out. Nobody is asked here, and nothing is done about a server:
//! [`crate::drain`] decides that. A source that fell silent says nothing: *unknown* is neither up nor down.

mod board;
#[cfg(test)]
mod board_tests;
mod finding;
mod signal;
#[cfg(test)]
mod signal_tests;

pub use board::{Belief, Board, Health, Verdict, Word};
pub use finding::{Finding, Outcome};
pub use signal::{Says, Signal};
