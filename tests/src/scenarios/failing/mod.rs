//! Servers that fail, under ipvsdrain and under what is used today: one that reboots, a checker that flaps, and a
//! service whose servers all fail.

mod all_down;
mod flapping;
mod fresh;
mod ours;
mod reach;
mod rebooted;
mod recursor;

use std::time::Duration;

pub(in crate::scenarios) use all_down::SCENARIO as ALL_DOWN;
pub(in crate::scenarios) use flapping::SCENARIO as FLAPPING;
pub(in crate::scenarios) use reach::SCENARIO as REACH;
pub(in crate::scenarios) use rebooted::SCENARIO as REBOOTED;

/// Longer than any of these checks takes to remove a server, and than a second hold-down.
const LIMIT: Duration = Duration::from_secs(45);
