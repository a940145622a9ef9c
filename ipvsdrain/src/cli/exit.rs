//! Exit codes: scripts rely on them.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done: drained and removed, restored, shown |
//! | 1 | an error: the daemon, the host or the journal failed |
//! | 2 | the command line is wrong |
//! | 3 | the wait was over before the drain was |
//! | 4 | refused: it would hurt; nothing was changed |
//! | 5 | cancelled: restored, or yielded to another hand |
//! | 6 | the wait was over while the evidence was unknown |

use std::process::ExitCode;

use crate::api::client::ClientError;
use crate::api::{DrainView, Problem, ProblemKind};
use crate::drain::State;

pub const ERROR: u8 = 1;
pub const USAGE: u8 = 2;
pub const NOT_IN_TIME: u8 = 3;
pub const REFUSED: u8 = 4;
pub const CANCELLED: u8 = 5;
pub const UNKNOWN: u8 = 6;

/// How a drain that came to its end is told to a script.
pub(super) fn of_final(view: &DrainView) -> ExitCode {
    match view.state {
        State::Removed => ExitCode::SUCCESS,
        _ => ExitCode::from(CANCELLED),
    }
}

/// Says an error on stderr and gives its code.
pub(super) fn say_error(error: &anyhow::Error) -> ExitCode {
    eprintln!("ipvsdrain: {error:#}");
    let code = match error.downcast_ref::<ClientError>() {
        Some(ClientError::Problem(Problem {
            kind: ProblemKind::Refused,
            ..
        })) => REFUSED,
        Some(ClientError::Problem(Problem {
            kind: ProblemKind::Malformed,
            ..
        })) => USAGE,
        _ => ERROR,
    };
    ExitCode::from(code)
}
