//! Scenarios on real kernels with real traffic, and the ledger that counts every datagram.

pub mod clock;
pub mod daemon;
pub mod dns;
pub mod ledger;
pub mod maintenance;
pub mod process;
pub mod traffic;
pub mod world;
