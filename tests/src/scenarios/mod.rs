//! What users rely on, one file per situation, each on a real kernel.

mod kernel_reference;
mod lossless;
mod maintenance;
mod netlink;
mod observer_cost;
mod observer_counts;
mod observer_refuses;
mod watch;

use crate::scenario::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    kernel_reference::SCENARIO,
    lossless::DIRECT_ROUTE,
    lossless::MASQUERADE,
    lossless::IPIP,
    maintenance::SCENARIO,
    netlink::SCENARIO,
    observer_cost::SCENARIO,
    observer_counts::SCENARIO,
    observer_refuses::SCENARIO,
];
