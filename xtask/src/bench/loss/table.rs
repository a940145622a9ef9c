//! The results as tables in Markdown, one per kind of traffic. Pure.

use std::fmt::Write as _;

use super::plan::{CONTROL, STRATEGIES, TRAFFIC};
use super::record::{Cost, Records};
use super::share::{Group, NEVER, is_datagrams};

/// A column: its title, and what stands in it.
type Column = (&'static str, fn(&Group) -> String);

const DATAGRAMS: [Column; 5] = [
    ("datagrams sent", |group| group.range(|cost| cost.sent)),
    ("lost", |group| group.range(|cost| cost.lost)),
    ("answers lost", |group| group.range(|cost| cost.answers_lost)),
    ("refused", |group| group.range(|cost| cost.refused)),
    ("flows moved", |group| group.range(|cost| cost.moved)),
];

const CONNECTIONS: [Column; 5] = [
    ("connections", |group| group.range(|cost| cost.sent)),
    ("reset", |group| group.range(|cost| cost.reset)),
    ("stuck", |group| group.range(|cost| cost.stuck)),
    ("refused", |group| group.range(|cost| cost.refused)),
    ("broken, says the client", |group| group.range(|cost| cost.broken)),
];

const BOTH: [Column; 2] = [
    ("depool to removal, s", |group| {
        group.seconds(|cost: &Cost| cost.seconds_to_removal)
    }),
    ("last packet to removal, s", |group| {
        group.seconds(|cost: &Cost| cost.seconds_silent)
    }),
];

/// What each kind is, in a title.
fn title(traffic: &str) -> &'static str {
    match traffic {
        "dns" => "DNS: dnsperf asks nsd from 6 fixed ports",
        "syslog" => "Syslog: 4 senders with fixed ports, one way, without a pause",
        "netflow" => "NetFlow: 4 senders with fixed ports, a burst each 30 s",
        "quic" => "Sessions as QUIC has them: a minute each, with answers, from fresh ports",
        "http" => "Short HTTP: wrk and nginx",
        "idle" => "Idle TCP: 6 connections, a word each 30 s, closed 120 s after depooling",
        "download" => "Downloads of a minute from nginx, by a client that says nothing",
        "persistent" => "A persistent service (300 s) with one busy client",
        _ => "Other traffic",
    }
}

pub(super) fn tables(records: &Records) -> String {
    let mut text = String::new();
    for traffic in TRAFFIC {
        let columns: Vec<Column> = if is_datagrams(traffic) {
            DATAGRAMS.into_iter().chain(BOTH).collect()
        } else {
            CONNECTIONS.into_iter().chain(BOTH).collect()
        };
        let rows = rows(records, traffic, &columns);
        if rows.is_empty() {
            continue;
        }
        let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
        let _ = write!(
            text,
            "### {}\n\n| strategy | `expire_nodest_conn` | {} |\n|---|---|{}\n{rows}\n",
            title(traffic),
            titles.join(" | "),
            "---|".repeat(columns.len())
        );
    }
    text
}

fn rows(records: &Records, traffic: &str, columns: &[Column]) -> String {
    let mut text = String::new();
    for strategy in STRATEGIES {
        for expires in [0, 1] {
            let Some(group) = Group::find(records, traffic, strategy, expires) else {
                continue;
            };
            // Where nothing is to be removed, nothing is late.
            let shown = |text: String| match strategy {
                CONTROL if text == NEVER => "–".to_owned(),
                _ => text,
            };
            let cells: Vec<String> = columns.iter().map(|(_, what)| shown(what(&group))).collect();
            let _ = writeln!(text, "| `{strategy}` | {expires} | {} |", cells.join(" | "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::loss::record::tests::record;

    #[test]
    fn a_table_has_a_row_per_strategy_and_setting_that_was_measured() {
        let mut records = Records::default();
        records.take(record("6.1", "dns", "delete", None));
        records.take(record("6.1", "dns", "ipvsdrain", Some("too busy")));
        let text = tables(&records);
        assert!(text.contains("### DNS"), "{text}");
        assert!(
            text.contains("| `delete` | 0 | 100 | 7 | 0 | 0 | 0 | 10.0 | 0.5 |"),
            "{text}"
        );
        assert!(!text.contains("ipvsdrain"), "{text}");
        let widths: Vec<usize> = text
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.matches('|').count())
            .collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    }
}
