//! What users rely on, one file per situation, each on a real kernel.

mod kernel_reference;
mod maintenance;
mod observer_cost;
mod observer_counts;
mod observer_refuses;
mod without_types;

use crate::scenario::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    kernel_reference::SCENARIO,
    maintenance::SCENARIO,
    observer_cost::SCENARIO,
    observer_counts::SCENARIO,
    observer_refuses::SCENARIO,
];
