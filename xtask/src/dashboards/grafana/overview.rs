//! Is anything wrong, and how much may still be drained?

use super::panel::Panel;
use super::shape::Kind;
use super::table::table;
use super::{Row, SERVICE};

pub fn row() -> Row {
    let mut panels = numbers();
    panels.extend(pools());
    Row {
        title: "Overview",
        panels,
    }
}

fn numbers() -> Vec<Panel> {
    let number =
        |title, description, expr: &str| Panel::new(Kind::Number, title, description).query(expr, "");
    vec![
        number(
            "Drains under way",
            "Drains that are not over, held ones among them.",
            "sum(ipvsdrain_drains_in_progress{INSTANCE})",
        )
        .colors("blue", &[]),
        number(
            "Held",
            "Drains that do not go on. The row below says why.",
            "sum(ipvsdrain_drains_held{INSTANCE})",
        )
        .colors("green", &[(1.0, "orange")]),
        number(
            "Overdue",
            "Drains whose deadline has passed.",
            "sum(ipvsdrain_drain_overdue{SERVER}) or vector(0)",
        )
        .colors("green", &[(1.0, "red")]),
        number(
            "Packets lost",
            "Packets of drains that ended in the span shown, which nobody forwarded. What nobody counted is not in it.",
            "sum(increase(ipvsdrain_packets_lost_total{INSTANCE}[$__range]))",
        )
        .colors("green", &[(0.5, "red")]),
        number(
            "Servers that fail",
            "Servers that are found down, by all that speak of them.",
            "count(ipvsdrain_health_up{SERVER} == 0) or vector(0)",
        )
        .colors("green", &[(1.0, "orange"), (3.0, "red")]),
        number(
            "Foreign servers",
            "Servers at weight 0 by another hand. They may have been forgotten.",
            "sum(ipvsdrain_foreign_servers{INSTANCE})",
        )
        .colors("green", &[(1.0, "yellow")]),
        number(
            "Alerts",
            "Alerts of ipvsdrain that fire in Prometheus, once the rules are loaded there.",
            r#"count(ALERTS{alertname=~"Ipvsdrain.+",alertstate="firing",INSTANCE}) or vector(0)"#,
        )
        .colors("green", &[(1.0, "red")]),
        number(
            "Daemons up",
            "Share of the daemons chosen that answer.",
            "avg(up{INSTANCE})",
        )
        .share()
        .colors("red", &[(1.0, "green")]),
    ]
}

fn pools() -> Vec<Panel> {
    vec![
        Panel::new(
            Kind::Lines,
            "Capacity against floor",
            "The share of a service's weight that takes new flows, and the least that drains may leave (dashed).",
        )
        .query("ipvsdrain_service_capacity_ratio{SERVICE}", SERVICE)
        .query("ipvsdrain_service_floor_ratio{SERVICE}", &format!("floor of {SERVICE}"))
        .share()
        .colors("red", &[(0.5, "green")])
        .limit("^floor of"),
        Panel::new(
            Kind::Lines,
            "Drains",
            "Drains that are not over, those that are held, and those that wait for capacity.",
        )
        .query("sum(ipvsdrain_drains_in_progress{INSTANCE})", "under way")
        .query("sum(ipvsdrain_drains_held{INSTANCE})", "held")
        .query("sum(ipvsdrain_service_blocked_drains{SERVICE})", "held at the floor")
        .colors("green", &[(1.0, "orange")]),
        Panel::new(
            Kind::Alerts,
            "Alerts that fire",
            "From the rules beside this dashboard, or whatever else is named Ipvsdrain… in this Grafana.",
        ),
        table(
            "Pools",
            "Every service: how many of its servers take new flows, and how many must.",
            &[
                ("instance", "Instance"),
                ("proto", "Protocol"),
                ("local_address", "Address"),
                ("local_mark", "Mark"),
                ("local_port", "Port"),
            ],
            &[
                ("Taking new flows", "short", "sum by (instance, proto, local_address, local_mark, local_port) (ipvsdrain_service_weighted_servers{SERVICE})"),
                ("Servers", "short", "sum by (instance, proto, local_address, local_mark, local_port) (ipvsdrain_service_servers{SERVICE})"),
                ("Must take", "short", "sum by (instance, proto, local_address, local_mark, local_port) (ipvsdrain_service_floor_servers{SERVICE})"),
                ("Capacity", "percentunit", "min by (instance, proto, local_address, local_mark, local_port) (ipvsdrain_service_capacity_ratio{SERVICE})"),
                ("Floor", "percentunit", "min by (instance, proto, local_address, local_mark, local_port) (ipvsdrain_service_floor_ratio{SERVICE})"),
                ("Drains held by it", "short", "sum by (instance, proto, local_address, local_mark, local_port) (ipvsdrain_service_blocked_drains{SERVICE})"),
            ],
        ),
    ]
}
