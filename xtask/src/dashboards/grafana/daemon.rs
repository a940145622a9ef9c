//! Does the daemon itself do well, and what does its watch cost?

use super::Row;
use super::panel::Panel;
use super::shape::Kind;

const INSTANCE: &str = "{{instance}}";

pub fn row() -> Row {
    let mut panels = observer();
    panels.extend(journal());
    panels.extend(process());
    Row {
        title: "Observer and daemon",
        panels,
    }
}

fn observer() -> Vec<Panel> {
    vec![
        Panel::new(
            Kind::Lines,
            "Programs attached",
            "eBPF programs in the kernel: 0 while nothing is drained.",
        )
        .query("ipvsdrain_observer_programs{INSTANCE}", INSTANCE)
        .size(6, 8),
        Panel::new(
            Kind::Lines,
            "Flows tracked",
            "Against the room there is (dashed). A packet that finds no room holds its drain: `--flow-capacity` makes more.",
        )
        .query("ipvsdrain_observer_flows{INSTANCE}", INSTANCE)
        .query("ipvsdrain_observer_flow_capacity{INSTANCE}", "room of {{instance}}")
        .limit("^room of")
        .size(6, 8),
        Panel::new(
            Kind::Lines,
            "Packets without room",
            "Packets that could not be tracked, because the table of flows was full.",
        )
        .query("rate(ipvsdrain_observer_untracked_total{INSTANCE}[$__rate_interval])", INSTANCE)
        .unit("pps")
        .colors("green", &[(0.001, "red")])
        .size(6, 8),
        Panel::new(
            Kind::Lines,
            "Cost of a run",
            "What a program takes for a packet that it sees. No data unless the host counts: `sysctl kernel.bpf_stats_enabled=1`.",
        )
        .query(
            "sum by (program) (rate(ipvsdrain_observer_run_seconds_total{INSTANCE}[$__rate_interval])) / sum by (program) (rate(ipvsdrain_observer_runs_total{INSTANCE}[$__rate_interval]))",
            "{{program}}",
        )
        .unit("s")
        .colors("green", &[(0.000_002, "orange")])
        .size(6, 8),
    ]
}

fn journal() -> Vec<Panel> {
    let quantile = |share: &str| {
        format!(
            "histogram_quantile({share}, sum by (le) (rate(ipvsdrain_journal_write_seconds_bucket{{INSTANCE}}[$__rate_interval])))"
        )
    };
    vec![
        Panel::new(
            Kind::Lines,
            "Writing to the journal",
            "Each step of a drain waits for it. Slow writes are a slow disk.",
        )
        .query(&quantile("0.5"), "half within")
        .query(&quantile("0.99"), "99 in 100 within")
        .unit("s")
        .colors("green", &[(0.1, "orange"), (1.0, "red")])
        .size(6, 8),
        Panel::new(
            Kind::Happenings,
            "Errors of the journal",
            "Operations that failed. While the journal does not work, nothing is begun, changed or removed.",
        )
        .query(
            "increase(ipvsdrain_journal_errors_total{INSTANCE}[$__rate_interval])",
            INSTANCE,
        )
        .colors("green", &[(1.0, "red")])
        .size(6, 8),
        Panel::new(
            Kind::Bands,
            "Journal and table",
            "Whether the journal works, and whether the kernel's table could be read.",
        )
        .query("ipvsdrain_journal_up{INSTANCE}", "journal: {{instance}}")
        .query("ipvsdrain_table_readable{INSTANCE}", "table: {{instance}}")
        .words(&[("fails", "red"), ("works", "green")])
        .colors("red", &[(1.0, "green")])
        .size(12, 8),
    ]
}

fn process() -> Vec<Panel> {
    vec![
        Panel::new(
            Kind::Happenings,
            "Configuration read again",
            "`refused` leaves the one from before in effect; the log and `ipvsdrain check-config` say what is wrong.",
        )
        .query(
            "sum by (instance, result) (increase(ipvsdrain_config_reloads_total{INSTANCE}[$__rate_interval]))",
            "{{result}}: {{instance}}",
        )
        .size(6, 8),
        Panel::new(
            Kind::Number,
            "Configuration taken",
            "When the configuration in effect was read.",
        )
        .query("1000 * ipvsdrain_config_last_reload_success_timestamp_seconds{INSTANCE}", INSTANCE)
        .unit("dateTimeFromNow")
        .colors("blue", &[])
        .size(6, 8),
        Panel::new(Kind::Lines, "Memory", "Resident memory of the daemon.")
            .query("process_resident_memory_bytes{INSTANCE}", INSTANCE)
            .unit("bytes")
            .colors("green", &[(268_435_456.0, "orange")])
            .size(6, 8),
        Panel::new(
            Kind::Lines,
            "Processor",
            "Time of one processor that the daemon takes. Its programs in the kernel are not in it.",
        )
        .query("rate(process_cpu_seconds_total{INSTANCE}[$__rate_interval])", INSTANCE)
        .unit("percentunit")
        .colors("green", &[(0.5, "orange")])
        .size(6, 8),
    ]
}
