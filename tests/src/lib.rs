//! Scenarios on real kernels with real traffic, and the guest that runs them.
//!
//! `cargo xtask lab` boots the kernels; the binary `ipvsdrain-lab` is the guest's first process. A scenario builds
//! a [`world`], sends [`traffic`] through it, and judges by the [`ledger`].

pub mod clock;
pub mod daemon;
pub mod dashboards;
pub mod dns;
pub mod documents;
pub mod ground;
pub mod guest;
pub mod http;
pub mod ledger;
pub mod maintenance;
pub mod mounts;
pub mod peers;
pub mod performance;
pub mod process;
pub mod protocol;
pub mod scenario;
pub mod scenarios;
pub mod system;
pub mod traffic;
pub mod wire;
pub mod world;
