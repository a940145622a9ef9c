//! What users rely on, one file per situation, each on a real kernel.

mod arrivals_ways;
mod attached_under_load;
mod bench_loss;
mod broken_observer;
mod configured;
mod cost;
mod daemon_crashes;
mod daemon_killed;
mod doctor;
mod doctored;
mod documented;
mod edges;
mod failing;
mod flow_table_full;
mod flows_shown;
mod kernel_reference;
mod lossless;
mod lower_rungs;
mod maintenance;
mod many_flows;
mod matrix;
mod module_reloaded;
mod netlink;
mod netns_chosen;
mod nothing_attached;
mod observer_counts;
mod observer_refuses;
mod operator;
mod package;
mod pinned_migrate;
mod pins_cleaned;
mod rolling_restart;
mod scraped;
mod sctp_drained;
mod situations;
mod sysctl_put_back;
mod top_shown;
mod watch;
mod weight_restored;
mod witness;

use crate::scenario::Scenario;

pub use cost::SCENARIOS as COSTS;

/// What judges.
pub const SCENARIOS: &[Scenario] = &[
    kernel_reference::SCENARIO,
    lossless::DIRECT_ROUTE,
    lossless::MASQUERADE,
    lossless::IPIP,
    pinned_migrate::SCENARIO,
    sysctl_put_back::SCENARIO,
    weight_restored::SCENARIO,
    operator::SCENARIO,
    lower_rungs::SCENARIO,
    broken_observer::SCENARIO,
    configured::SCENARIO,
    daemon_crashes::SCENARIO,
    daemon_killed::SCENARIO,
    pins_cleaned::SCENARIO,
    nothing_attached::SCENARIO,
    netlink::SCENARIO,
    netns_chosen::SCENARIO,
    observer_counts::SCENARIO,
    arrivals_ways::SCENARIO,
    attached_under_load::SCENARIO,
    edges::SCENARIO,
    flows_shown::SCENARIO,
    many_flows::SCENARIO,
    flow_table_full::SCENARIO,
    matrix::SCENARIO,
    sctp_drained::SCENARIO,
    module_reloaded::SCENARIO,
    observer_refuses::SCENARIO,
    maintenance::SCENARIO,
    package::SCENARIO,
    rolling_restart::SCENARIO,
    doctor::SCENARIO,
    documented::SCENARIO,
    top_shown::SCENARIO,
    situations::SCENARIO,
    failing::REBOOTED,
    failing::FLAPPING,
    failing::ALL_DOWN,
    failing::REACH,
    scraped::DRAINS,
    scraped::JOINED,
    scraped::AT_SCALE,
    bench_loss::SCENARIO,
];
