//! Exit codes: scripts rely on them.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done: drained and removed or kept, restored, shown; a plan that would begin |
//! | 1 | an error: the daemon, the host or the journal failed |
//! | 2 | the command line is wrong, `--server ADDR` matches nothing, or a configuration that was to be checked is wrong |
//! | 3 | the deadline passed, or the wait was over, before the server was drained |
//! | 4 | refused: it would hurt; nothing was changed (with `--server ADDR --force`: to those that refused) |
//! | 5 | cancelled: restored, yielded to another hand, or not consented to |
//! | 6 | the wait was over while the evidence was unknown |
//! | 7 | removed, and packets of its flows were lost |
//!
//! Of several drains the worst one counts, in this order: 1, 7, 6, 3, 5, 4, 0. An order for a host that breaks off after
//! some of its drains began is an error (1), whatever the cause: something was changed.

use std::process::ExitCode;

use crate::api::client::ClientError;
use crate::api::{DrainView, Problem, ProblemKind};
use crate::drain::State;

pub const DONE: u8 = 0;
pub const ERROR: u8 = 1;
pub const USAGE: u8 = 2;
pub const NOT_IN_TIME: u8 = 3;
pub const REFUSED: u8 = 4;
pub const CANCELLED: u8 = 5;
pub const UNKNOWN: u8 = 6;
pub const LOST: u8 = 7;

/// The worst first.
const BY_GRAVITY: [u8; 8] = [ERROR, USAGE, LOST, UNKNOWN, NOT_IN_TIME, CANCELLED, REFUSED, DONE];

/// The command line asks for something that is not there, or not enough was said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// It would hurt, and nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) String);

/// What several drains come to.
pub(super) fn worst(codes: impl Iterator<Item = u8>) -> u8 {
    let gravity = |code: &u8| BY_GRAVITY.iter().position(|listed| listed == code);
    codes.min_by_key(gravity).unwrap_or(DONE)
}

/// Where a drain stands that is over, or not to be waited for any longer.
///
/// A removal whose lost packets nobody counted is no failure: the drain was proven empty all the same.
pub(super) fn code_of_final(view: &DrainView) -> u8 {
    match (view.state, view.arrivals) {
        (State::Removed, Some(arrivals)) if arrivals.lost > 0 => LOST,
        (State::Removed, _) if view.cut > 0 => NOT_IN_TIME,
        (State::Removed, _) => DONE,
        (State::Drained, _) if view.kept => DONE,
        (State::Restored, _) if view.overdue => NOT_IN_TIME,
        _ if view.state.is_final() => CANCELLED,
        _ if view.evidence_unknown => UNKNOWN,
        _ => NOT_IN_TIME,
    }
}

/// Says an error on stderr and gives its code.
pub(super) fn say_error(error: &anyhow::Error) -> ExitCode {
    eprintln!("ipvsdrain: {error:#}");
    ExitCode::from(code_of(error))
}

pub(super) fn code_of(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() {
        return USAGE;
    }
    if error.is::<Refused>() {
        return REFUSED;
    }
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Problem(Problem {
            kind: ProblemKind::Refused,
            ..
        })) => REFUSED,
        Some(ClientError::Problem(Problem {
            kind: ProblemKind::Malformed,
            ..
        })) => USAGE,
        _ => ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::view;
    use super::*;
    use crate::drain::Arrivals;

    #[test]
    fn a_removal_fails_only_by_packets_known_to_be_lost() {
        let ended = |state, lost: Option<u64>| {
            let arrivals = lost.map(|lost| Arrivals {
                lost,
                ..Arrivals::default()
            });
            code_of_final(&DrainView {
                state,
                arrivals,
                ..view()
            })
        };
        assert_eq!(ended(State::Removed, Some(0)), DONE);
        assert_eq!(ended(State::Removed, Some(1)), LOST);
        assert_eq!(ended(State::Removed, None), DONE, "nobody counted");
        assert_eq!(ended(State::Restored, Some(1)), CANCELLED);
    }

    #[test]
    fn of_several_drains_the_worst_counts() {
        assert_eq!(worst([].into_iter()), DONE);
        let of = |codes: &[u8]| worst(codes.iter().copied());
        assert_eq!(of(&[DONE, LOST, CANCELLED]), LOST);
        assert_eq!(of(&[CANCELLED, NOT_IN_TIME, REFUSED]), NOT_IN_TIME);
        assert_eq!(of(&[LOST, ERROR]), ERROR);
        assert_eq!(of(&[DONE, REFUSED]), REFUSED);
    }

    #[test]
    fn a_deadline_that_passed_is_told_by_its_code() {
        let overdue = DrainView {
            overdue: true,
            ..view()
        };
        assert_eq!(code_of_final(&overdue), NOT_IN_TIME);
        let in_state = |state, cut| DrainView {
            state,
            cut,
            ..overdue.clone()
        };
        assert_eq!(code_of_final(&in_state(State::Restored, 0)), NOT_IN_TIME);
        assert_eq!(
            code_of_final(&in_state(State::Removed, 2)),
            NOT_IN_TIME,
            "connections were cut"
        );
        assert_eq!(code_of_final(&in_state(State::Removed, 0)), DONE);
        let unknown = DrainView {
            evidence_unknown: true,
            ..overdue
        };
        assert_eq!(code_of_final(&unknown), UNKNOWN);
        let kept = DrainView {
            state: State::Drained,
            kept: true,
            ..view()
        };
        assert_eq!(code_of_final(&kept), DONE);
    }
}
