//! All daemons, one line each.

use super::Row;
use super::table::table;

pub fn row() -> Row {
    let each = table(
        "Daemons",
        "One line a daemon. Versions that differ, a journal that does not work, a table that is nearly full stand out here.",
        &[("instance", "Instance"), ("version", "Version")],
        &[
            (
                "Up since",
                "dateTimeFromNow",
                "1000 * max by (instance) (process_start_time_seconds{INSTANCE}) * on (instance) group_left (version) max by (instance, version) (ipvsdrain_build_info{INSTANCE})",
            ),
            (
                "Drains",
                "short",
                "sum by (instance) (ipvsdrain_drains_in_progress{INSTANCE})",
            ),
            (
                "Held",
                "short",
                "sum by (instance) (ipvsdrain_drains_held{INSTANCE})",
            ),
            (
                "Foreign servers",
                "short",
                "sum by (instance) (ipvsdrain_foreign_servers{INSTANCE})",
            ),
            (
                "Table readable",
                "bool_yes_no",
                "min by (instance) (ipvsdrain_table_readable{INSTANCE})",
            ),
            (
                "Journal works",
                "bool_yes_no",
                "min by (instance) (ipvsdrain_journal_up{INSTANCE})",
            ),
            (
                "Configuration taken",
                "bool_yes_no",
                "min by (instance) (ipvsdrain_config_last_reload_successful{INSTANCE})",
            ),
            (
                "Programs attached",
                "short",
                "sum by (instance) (ipvsdrain_observer_programs{INSTANCE})",
            ),
            (
                "Flow table used",
                "percentunit",
                "max by (instance) (ipvsdrain_observer_flows{INSTANCE} / ipvsdrain_observer_flow_capacity{INSTANCE})",
            ),
            (
                "Memory",
                "bytes",
                "sum by (instance) (process_resident_memory_bytes{INSTANCE})",
            ),
        ],
    );
    Row {
        title: "Fleet",
        panels: vec![each],
    }
}
