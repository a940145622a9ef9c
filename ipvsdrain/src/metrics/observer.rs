//! How full the observer is, and what its programs cost where the host counts that.

use prometheus::proto::MetricFamily;

use super::Sight;
use super::family::{Family, count};
use super::labels::Labels;

pub(super) fn families(sight: &Sight<'_>) -> Vec<MetricFamily> {
    let mut flows = Family::gauge(
        "ipvsdrain_observer_flows",
        "Flows that are tracked, over all servers being drained. Absent where they are not counted.",
    );
    let mut capacity = Family::gauge(
        "ipvsdrain_observer_flow_capacity",
        "How many flows can be tracked at once. Absent where nothing can be observed.",
    );
    let mut untracked = Family::counter(
        "ipvsdrain_observer_untracked_total",
        "Packets whose flow found no room among those that are tracked. Their drains are held.",
    );
    let mut lasted = Family::counter(
        "ipvsdrain_observer_run_seconds_total",
        "CPU time that an eBPF program took since it was loaded. Absent unless kernel.bpf_stats_enabled is set.",
    );
    let mut runs = Family::counter(
        "ipvsdrain_observer_runs_total",
        "Runs of an eBPF program since it was loaded. Absent unless kernel.bpf_stats_enabled is set.",
    );
    if let Some(usage) = sight.usage {
        let none = Labels::none();
        flows.add_known(&none, usage.flows.map(count));
        capacity.add(&none, count(usage.capacity));
        untracked.add(&none, count(usage.untracked));
        for program in &usage.programs {
            let labels = Labels::none().with("program", &program.name);
            lasted.add(&labels, program.lasted.as_secs_f64());
            runs.add(&labels, count(program.number));
        }
    }
    [flows, capacity, untracked, lasted, runs]
        .into_iter()
        .filter_map(Family::finish)
        .collect()
}
