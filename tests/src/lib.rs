//! Scenarios on real kernels with real traffic, and the guest that runs them.
//!
//! `cargo xtask lab` boots the kernels; the binary `ipvsdrain-lab` is the guest's first process.

pub mod ground;
pub mod guest;
pub mod performance;
pub mod protocol;
pub mod scenario;
pub mod scenarios;
