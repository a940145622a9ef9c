//! What users rely on, one file per situation, each on a real kernel.

mod broken_observer;
mod daemon_crashes;
mod daemon_killed;
mod flow_table_full;
mod flows_shown;
mod kernel_reference;
mod lossless;
mod maintenance;
mod many_flows;
mod matrix;
mod netlink;
mod nothing_attached;
mod observer_cost;
mod observer_counts;
mod observer_refuses;
mod pinned_migrate;
mod pins_cleaned;
mod sysctl_put_back;
mod watch;
mod weight_restored;

use crate::scenario::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    kernel_reference::SCENARIO,
    lossless::DIRECT_ROUTE,
    lossless::MASQUERADE,
    lossless::IPIP,
    pinned_migrate::SCENARIO,
    sysctl_put_back::SCENARIO,
    weight_restored::SCENARIO,
    broken_observer::SCENARIO,
    daemon_crashes::SCENARIO,
    daemon_killed::SCENARIO,
    pins_cleaned::SCENARIO,
    nothing_attached::SCENARIO,
    netlink::SCENARIO,
    observer_cost::SCENARIO,
    observer_counts::SCENARIO,
    flows_shown::SCENARIO,
    many_flows::SCENARIO,
    flow_table_full::SCENARIO,
    matrix::SCENARIO,
    observer_refuses::SCENARIO,
    maintenance::SCENARIO,
];
