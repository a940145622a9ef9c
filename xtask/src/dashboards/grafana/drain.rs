//! One drain in detail: choose a service and a server above.

use serde_json::json;

use super::panel::Panel;
use super::shape::Kind;
use super::table::table;
use super::{Row, SERVER};

/// In the order of a drain, each with its colour.
const STATES: [(&str, &str); 8] = [
    ("pooled", "green"),
    ("draining", "orange"),
    ("quiet", "yellow"),
    ("drained", "blue"),
    ("removed", "dark-blue"),
    ("restoring", "light-green"),
    ("restored", "green"),
    ("yielded", "purple"),
];

/// From the worst to the best.
const RUNGS: [&str; 3] = ["counters", "arrivals", "probes"];

pub fn row() -> Row {
    let mut panels = states();
    panels.extend(numbers());
    panels.extend(flows());
    panels.extend(evidence());
    panels.push(all());
    Row {
        title: "One drain",
        panels,
    }
}

/// One series a server, whose value is the number of the state it is in.
fn numbered(metric: &str, label: &str, words: &[&str]) -> String {
    let each: Vec<_> = words
        .iter()
        .enumerate()
        .map(|(number, word)| format!(r#"{number} * {metric}{{SERVER,{label}="{word}"}}"#))
        .collect();
    each.join(&format!(" + ignoring ({label}) "))
}

fn states() -> Vec<Panel> {
    let states: Vec<_> = STATES.iter().map(|(state, _)| *state).collect();
    vec![
        Panel::new(
            Kind::Bands,
            "State",
            "From the request to the end. A drain that is over has no samples any more.",
        )
        .query(&numbered("ipvsdrain_drain_state", "state", &states), SERVER)
        .words(&STATES)
        .colors("text", &[]),
        Panel::new(
            Kind::Bands,
            "Held because of",
            "Why a drain did not go on, and when. Empty while it goes on: `ipvsdrain explain` has the whole sentence.",
        )
        .query("ipvsdrain_drain_held{SERVER}", "{{cause}}: {{remote_address}}:{{remote_port}}")
        .words(&[("", "transparent"), ("held", "orange")])
        .colors("text", &[]),
    ]
}

fn numbers() -> Vec<Panel> {
    vec![
        Panel::new(
            Kind::Dial,
            "Progress",
            "The share of its flows that are gone; of several drains chosen, the one that is least far.",
        )
        .query("min(ipvsdrain_drain_progress_ratio{SERVER})", "")
        .share()
        .colors("orange", &[(0.9, "green")]),
        Panel::new(
            Kind::Number,
            "Time to the end",
            "Until the server is proven empty, foretold from how flows became fewer in the last minute. No data while they do not.",
        )
        .query("max(ipvsdrain_drain_eta_seconds{SERVER})", "")
        .unit("s")
        .colors("blue", &[(3600.0, "orange")]),
        Panel::new(
            Kind::Number,
            "Time to the deadline",
            "Below 0 it has passed. No data for a drain without one.",
        )
        .query("min(ipvsdrain_drain_deadline_remaining_seconds{SERVER})", "")
        .unit("s")
        .below_zero()
        .colors("red", &[(0.0, "orange"), (60.0, "green")]),
        Panel::new(Kind::Number, "Live flows", "Flows that must end or move before the server is removed.")
            .query("sum(ipvsdrain_drain_live_flows{SERVER})", "")
            .colors("green", &[(1.0, "blue")]),
        Panel::new(
            Kind::Number,
            "Last packet",
            "Since the last packet to or from the server; of several chosen, the one that was quiet longest.",
        )
        .query("max(ipvsdrain_drain_last_packet_age_seconds{SERVER})", "")
        .unit("s")
        .colors("orange", &[(10.0, "green")]),
        Panel::new(
            Kind::Number,
            "Lost so far",
            "Packets of tracked flows that came in and that nobody forwarded. Absent where they are not counted.",
        )
        .query("sum(ipvsdrain_drain_packets_lost_total{SERVER})", "")
        .colors("green", &[(1.0, "red")]),
        Panel::new(
            Kind::Number,
            "Age of the evidence",
            "Since what is known of the flows was gathered; of several chosen, the oldest.",
        )
        .query("max(ipvsdrain_evidence_age_seconds{SERVER})", "")
        .unit("s")
        .colors("green", &[(5.0, "orange"), (15.0, "red")]),
        Panel::new(
            Kind::Number,
            "Under way for",
            "Since the drain was asked for; of several chosen, the oldest.",
        )
        .query("max(ipvsdrain_drain_age_seconds{SERVER})", "")
        .unit("s")
        .colors("blue", &[(3600.0, "orange")]),
    ]
}

fn flows() -> Vec<Panel> {
    vec![
        Panel::new(
            Kind::Lines,
            "Live flows, falling",
            "By protocol and kind. TCP connections are waited for; UDP flows may be pinned to the server for ever.",
        )
        .query("sum by (protocol, kind) (ipvsdrain_drain_live_flows{SERVER})", "{{protocol}} {{kind}}")
        .colors("green", &[(1.0, "blue")]),
        Panel::new(
            Kind::Lines,
            "Pinned and leaked",
            "Pinned flows are live since before weight 0, leaked ones began after it. Once one leaked nobody can say how many \
             are pinned, and that line ends: `ipvsdrain flows` shows each.",
        )
        .query("sum(ipvsdrain_drain_pinned_flows{SERVER})", "pinned")
        .query("sum(ipvsdrain_drain_leaked_flows{SERVER})", "leaked")
        .colors("green", &[(1.0, "orange")])
        .but("^leaked$", &[("color", json!({"mode": "fixed", "fixedColor": "red"}))]),
        Panel::new(
            Kind::Lines,
            "Packets of its flows",
            "Those forwarded to the server, those that arrived for flows that are tracked, those that another server got, \
             and those that nobody forwarded.",
        )
        .query("sum(rate(ipvsdrain_drain_packets_forwarded_total{SERVER}[$__rate_interval]))", "forwarded")
        .query("sum(rate(ipvsdrain_drain_packets_arrived_total{SERVER}[$__rate_interval]))", "arrived")
        .query("sum(rate(ipvsdrain_drain_packets_rescheduled_total{SERVER}[$__rate_interval]))", "re-scheduled")
        .query("sum(rate(ipvsdrain_drain_packets_lost_total{SERVER}[$__rate_interval]))", "lost")
        .unit("pps")
        .colors("green", &[])
        .but("^lost$", &[("color", json!({"mode": "fixed", "fixedColor": "red"}))]),
    ]
}

fn evidence() -> Vec<Panel> {
    let rung = numbered(
        "ipvsdrain_evidence_rung",
        "rung",
        &["unknown", RUNGS[0], RUNGS[1], RUNGS[2]],
    );
    // Nothing is on the rung "unknown": it is what is left when the rest is 0.
    let rung = rung
        .split_once(" + ignoring (rung) ")
        .map_or("", |(_, known)| known)
        .to_owned();
    vec![
        Panel::new(
            Kind::Bands,
            "How flows are known",
            "The rung of the ladder in use: probes are best, counters alone need a longer silence. Unknown holds the drain.",
        )
        .query(&format!(
                "({rung}) * (1 - ipvsdrain_evidence_unknown{{SERVER}}) or 0 * ipvsdrain_evidence_unknown{{SERVER}}"
            ), SERVER)
        .words(&[
            ("unknown", "red"),
            (RUNGS[0], "orange"),
            (RUNGS[1], "yellow"),
            (RUNGS[2], "green"),
        ])
        .colors("text", &[]),
        Panel::new(
            Kind::Lines,
            "Kernel's connections",
            "Entries in the kernel's table, which lag behind the last packet by minutes.",
        )
        .query("sum by (kind) (ipvsdrain_server_connections{SERVER})", "{{kind}}")
        .size(6, 7),
        Panel::new(
            Kind::Lines,
            "Weight",
            "As it is in the table, and what it gets back after the drain (dashed).",
        )
        .query("ipvsdrain_server_weight{SERVER}", SERVER)
        .query("ipvsdrain_drain_weight_before{SERVER}", &format!("before: {SERVER}"))
        .limit("^before")
        .size(6, 7),
    ]
}

fn all() -> Panel {
    table(
        "Each drain under way",
        "All that are chosen above. A click on a heading sorts.",
        &[
            ("instance", "Instance"),
            ("proto", "Protocol"),
            ("local_address", "Address"),
            ("local_mark", "Mark"),
            ("local_port", "Port"),
            ("remote_address", "Server"),
            ("remote_port", "Server's port"),
        ],
        &[
            (
                "Age",
                "s",
                "max by (instance, proto, local_address, local_mark, local_port, remote_address, remote_port) (ipvsdrain_drain_age_seconds{SERVER})",
            ),
            (
                "In this state",
                "s",
                "max by (instance, proto, local_address, local_mark, local_port, remote_address, remote_port) (ipvsdrain_drain_state_age_seconds{SERVER})",
            ),
            (
                "Progress",
                "percentunit",
                "max by (instance, proto, local_address, local_mark, local_port, remote_address, remote_port) (ipvsdrain_drain_progress_ratio{SERVER})",
            ),
            (
                "Live",
                "short",
                "sum by (instance, proto, local_address, local_mark, local_port, remote_address, remote_port) (ipvsdrain_drain_live_flows{SERVER})",
            ),
            (
                "Pinned",
                "short",
                "sum by (instance, proto, local_address, local_mark, local_port, remote_address, remote_port) (ipvsdrain_drain_pinned_flows{SERVER})",
            ),
            (
                "Overdue",
                "bool",
                "max by (instance, proto, local_address, local_mark, local_port, remote_address, remote_port) (ipvsdrain_drain_overdue{SERVER})",
            ),
            (
                "Evidence unknown",
                "bool",
                "max by (instance, proto, local_address, local_mark, local_port, remote_address, remote_port) (ipvsdrain_evidence_unknown{SERVER})",
            ),
        ],
    )
}
