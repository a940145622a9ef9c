//! The clock of a scenario: `CLOCK_MONOTONIC`, the axis the daemon and its eBPF programs use.
//!
//! Under virtual time it counts the guest's instructions and jumps over idle.

/// The present moment.
pub use ipvsdrain::clock::now;

/// Lets `span` of the scenario's time go by. For traffic that is to run on, not for waiting on an event.
pub fn pass(span: std::time::Duration) {
    std::thread::sleep(span);
}
