//! What users rely on, one file per situation, each on a real kernel.

mod kernel_reference;
mod maintenance;

use crate::scenario::Scenario;

pub const SCENARIOS: &[Scenario] = &[kernel_reference::SCENARIO, maintenance::SCENARIO];
