//! Drains that are over: how they ended, how long they took, what they cost.

use super::Row;
use super::panel::Panel;
use super::shape::Kind;

pub fn row() -> Row {
    let mut panels = verdicts();
    panels.extend(durations());
    panels.extend(costs());
    Row {
        title: "Drains that ended",
        panels,
    }
}

fn verdicts() -> Vec<Panel> {
    vec![
        Panel::new(
            Kind::Number,
            "Removed without loss",
            "Share of the removals in the span shown that are proven lossless. What nobody counted is not proven.",
        )
        .query(
            r#"sum(increase(ipvsdrain_drains_finished_total{INSTANCE,verdict="lossless"}[$__range])) / sum(increase(ipvsdrain_drains_finished_total{INSTANCE,verdict!="not_removed"}[$__range]))"#,
            "",
        )
        .share()
        .undefined("none ended")
        .colors("red", &[(0.9, "orange"), (1.0, "green")])
        .size(6, 8),
        Panel::new(
            Kind::Happenings,
            "By verdict",
            "`lossless` and `lossy` were counted, `uncounted` is removed and nobody knows, `not_removed` was restored or yielded.",
        )
        .query("sum by (verdict) (increase(ipvsdrain_drains_finished_total{INSTANCE}[$__rate_interval]))", "{{verdict}}")
        .size(9, 8),
        Panel::new(
            Kind::Happenings,
            "By reason",
            "Why drains were asked for, and how they ended.",
        )
        .query(
            "sum by (reason, state) (increase(ipvsdrain_drains_finished_total{INSTANCE}[$__rate_interval]))",
            "{{reason}}: {{state}}",
        )
        .size(9, 8),
    ]
}

fn durations() -> Vec<Panel> {
    let quantile = |share: &str| {
        format!(
            "histogram_quantile({share}, sum by (le, reason) (increase(ipvsdrain_drain_duration_seconds_bucket{{INSTANCE}}[$__range])))"
        )
    };
    vec![
        Panel::new(
            Kind::Measures,
            "How long they took",
            "Half of the drains in the span shown were over within the first span, nine in ten within the second.",
        )
        .query(&quantile("0.5"), "{{reason}}, half")
        .query(&quantile("0.9"), "{{reason}}, nine in ten")
        .unit("s")
        .undefined("none ended")
        .colors("green", &[(600.0, "orange"), (3600.0, "red")])
        .size(12, 8),
        Panel::new(
            Kind::Heat,
            "Duration",
            "How many drains ended when, by how long they took.",
        )
        .query(
            "sum by (le) (increase(ipvsdrain_drain_duration_seconds_bucket{INSTANCE}[$__rate_interval]))",
            "{{le}}",
        )
        .size(12, 8),
    ]
}

fn costs() -> Vec<Panel> {
    vec![
        Panel::new(
            Kind::Happenings,
            "What they cost",
            "Packets that nobody forwarded, and flows that another server got, where that was counted.",
        )
        .query(
            "sum(increase(ipvsdrain_packets_lost_total{INSTANCE}[$__rate_interval]))",
            "packets lost",
        )
        .query(
            "sum(increase(ipvsdrain_flows_rescheduled_total{INSTANCE}[$__rate_interval]))",
            "flows re-scheduled",
        )
        .colors("green", &[(1.0, "red")]),
        Panel::new(
            Kind::Happenings,
            "For failure",
            "Drains of servers that failed, by who spoke of it first.",
        )
        .query(
            "sum by (source) (increase(ipvsdrain_failures_total{INSTANCE}[$__rate_interval]))",
            "{{source}}",
        )
        .colors("green", &[(1.0, "orange")]),
        Panel::new(
            Kind::Happenings,
            "Refused",
            "Drains that were asked for and did not begin, by cause. Nothing was changed for them.",
        )
        .query(
            "sum by (cause) (increase(ipvsdrain_drains_refused_total{INSTANCE}[$__rate_interval]))",
            "{{cause}}",
        )
        .colors("green", &[(1.0, "orange")]),
    ]
}
