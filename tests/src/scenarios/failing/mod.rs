//! Servers that fail, under ipvsdrain and under what is used today: one that reboots, a checker that flaps, and a
//! service whose servers all fail.

mod all_down;
mod flapping;
mod fresh;
mod ours;
mod rebooted;
mod recursor;

pub(in crate::scenarios) use all_down::SCENARIO as ALL_DOWN;
pub(in crate::scenarios) use flapping::SCENARIO as FLAPPING;
pub(in crate::scenarios) use rebooted::SCENARIO as REBOOTED;
