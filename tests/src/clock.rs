//! The clock of a scenario: `CLOCK_MONOTONIC`, the axis the daemon and its eBPF programs use.
//!
//! Owns reading it. Under virtual time it counts the guest's instructions and jumps over idle.

use ipvsdrain::moment::Moment;
use nix::time::{ClockId, clock_gettime};

/// The present moment.
pub fn now() -> Moment {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC exists on every Linux");
    let secs = u64::try_from(time.tv_sec()).expect("CLOCK_MONOTONIC never runs below zero");
    let nanos = u64::try_from(time.tv_nsec()).expect("nanoseconds are never negative");
    Moment::from_nanos(secs * 1_000_000_000 + nanos)
}

/// Lets `span` of the scenario's time go by. For traffic that is to run on, not for waiting on an event.
pub fn pass(span: std::time::Duration) {
    std::thread::sleep(span);
}
