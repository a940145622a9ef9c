//! What users rely on, one file per situation, each on a real kernel.

mod kernel_reference;
mod maintenance;
mod observer_counts;

use crate::scenario::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    kernel_reference::SCENARIO,
    maintenance::SCENARIO,
    observer_counts::SCENARIO,
];
