//! What Grafana wants to know of each kind of panel, the same for all of that kind.

use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One number, as it is now.
    Number,
    /// One number of a whole.
    Dial,
    /// Some numbers, as bars beside each other.
    Measures,
    /// Lines over time.
    Lines,
    /// What happened in each moment: bars on top of each other.
    Happenings,
    /// What was the case when: a coloured band per series.
    Bands,
    /// How often which value, over time.
    Heat,
    Table,
    /// Alerts that fire. Asks Grafana itself.
    Alerts,
}

pub fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "stat",
        Kind::Dial => "gauge",
        Kind::Measures => "bargauge",
        Kind::Lines | Kind::Happenings => "timeseries",
        Kind::Bands => "state-timeline",
        Kind::Heat => "heatmap",
        Kind::Table => "table",
        Kind::Alerts => "alertlist",
    }
}

/// Width and height.
pub fn size(kind: Kind) -> (u64, u64) {
    match kind {
        Kind::Number | Kind::Dial => (3, 4),
        Kind::Lines | Kind::Happenings | Kind::Measures | Kind::Heat | Kind::Alerts => (8, 8),
        Kind::Bands => (12, 7),
        Kind::Table => (24, 8),
    }
}

pub fn color(kind: Kind) -> &'static str {
    match kind {
        Kind::Lines | Kind::Happenings => "palette-classic",
        _ => "thresholds",
    }
}

/// How queries are asked.
pub fn asks(kind: Kind) -> Vec<(&'static str, Value)> {
    match kind {
        Kind::Number | Kind::Dial | Kind::Measures => vec![("instant", json!(true)), ("range", json!(false))],
        Kind::Table => {
            vec![
                ("instant", json!(true)),
                ("range", json!(false)),
                ("format", json!("table")),
            ]
        }
        Kind::Heat => {
            vec![
                ("instant", json!(false)),
                ("range", json!(true)),
                ("format", json!("heatmap")),
            ]
        }
        _ => vec![("instant", json!(false)), ("range", json!(true))],
    }
}

pub fn custom(kind: Kind) -> Value {
    match kind {
        Kind::Lines => json!({"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}),
        Kind::Happenings => json!({
            "drawStyle": "bars",
            "lineWidth": 1,
            "fillOpacity": 80,
            "stacking": {"mode": "normal", "group": "A"},
        }),
        Kind::Bands => json!({"lineWidth": 0, "fillOpacity": 80}),
        _ => json!({}),
    }
}

pub fn options(kind: Kind) -> Value {
    let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
    let below = json!({"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []});
    match kind {
        Kind::Number => json!({
            "reduceOptions": last,
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
        }),
        Kind::Dial => json!({
            "reduceOptions": last,
            "orientation": "auto",
            "showThresholdLabels": false,
            "showThresholdMarkers": true,
        }),
        Kind::Measures => json!({
            "reduceOptions": last,
            "orientation": "horizontal",
            "displayMode": "basic",
            "showUnfilled": true,
            "valueMode": "color",
        }),
        Kind::Lines | Kind::Happenings => {
            json!({"legend": below, "tooltip": {"mode": "multi", "sort": "desc"}})
        }
        Kind::Bands => json!({
            "alignValue": "left",
            "legend": below,
            "mergeValues": true,
            "rowHeight": 0.9,
            "showValue": "auto",
            "tooltip": {"mode": "single", "sort": "none"},
        }),
        Kind::Heat => json!({
            "calculate": false,
            "cellGap": 1,
            "color": {
                "mode": "scheme",
                "scheme": "Oranges",
                "exponent": 0.5,
                "fill": "dark-orange",
                "reverse": false,
                "steps": 64,
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "legend": {"show": true},
            "rowsFrame": {"layout": "auto"},
            "yAxis": {"unit": "s", "axisPlacement": "left", "reverse": false},
        }),
        Kind::Table => json!({"cellHeight": "sm", "frameIndex": 0, "showHeader": true}),
        Kind::Alerts => json!({
            "alertName": "Ipvsdrain",
            "dashboardAlerts": false,
            "groupBy": [],
            "groupMode": "default",
            "maxItems": 20,
            "sortOrder": 3,
            "stateFilter": {"error": true, "firing": true, "noData": false, "normal": false, "pending": true},
            "viewMode": "list",
        }),
    }
}
