//! Where a drain stands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a drain stands. `pooled -> draining -> quiet -> drained -> removed` is the way it means to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Recorded; the weight is not known to be 0 yet.
    Pooled,
    /// Weight 0, flows are live or the evidence is not in.
    Draining,
    /// No flow is live; the silence has not lasted long enough on both witnesses.
    Quiet,
    /// Proven empty.
    Drained,
    /// Out of the table, by us.
    Removed,
    /// On the way back to its weight.
    Restoring,
    /// Back with its weight and attributes.
    Restored,
    /// Another hand changed the server meanwhile: nothing more is done to it.
    Yielded,
}

impl State {
    /// Nothing more happens to the server in this state.
    pub const fn is_final(self) -> bool {
        matches!(self, State::Removed | State::Restored | State::Yielded)
    }

    pub const fn word(self) -> &'static str {
        match self {
            State::Pooled => "pooled",
            State::Draining => "draining",
            State::Quiet => "quiet",
            State::Drained => "drained",
            State::Removed => "removed",
            State::Restoring => "restoring",
            State::Restored => "restored",
            State::Yielded => "yielded",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
