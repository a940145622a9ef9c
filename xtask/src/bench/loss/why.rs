//! Why a cell is not zero: what the kernel does, told for each kind of harm under the setting and way it is known of. Harm that
//! none of these explains is said to be unexplained. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::plan::{STRATEGIES, TRAFFIC};
use super::record::{Cost, Key, Record, Records};
use super::share::is_datagrams;
use super::verdict::is_ipvsdrain;

/// A cause, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    EntryOutlivesServer,
    SessionRescheduled,
    SessionMigrated,
    ConnectionSwallowed,
    PortStillTaken,
    ConnectionForgotten,
    AnswersUntranslated,
    Unexplained,
}

impl Why {
    const fn text(self) -> &'static str {
        match self {
            Self::EntryOutlivesServer => {
                "**Datagrams lost.** Under `expire_nodest_conn=0` the kernel keeps the entry of a UDP flow for 300 s after the last datagram \
                 that it forwarded. The entry's server is gone, so for all that time each datagram of the flow is dropped. The client is told nothing."
            }
            Self::SessionRescheduled => {
                "**Sessions moved.** Under `expire_nodest_conn=1` the entries of a removed server go with it, and the next datagram of a \
                 session that is under way is scheduled anew. Nothing is lost on the wire; the server that gets it knows nothing of the session."
            }
            Self::SessionMigrated => {
                "**Sessions moved, as asked.** `pinned = \"migrate\"` schedules flows anew that are still live. It is for servers that need not know \
                 their clients (syslog, DNS). For sessions there is the default, which waits for them: no session is moved then."
            }
            Self::ConnectionSwallowed => {
                "**Connections stuck.** Under `expire_nodest_conn=0` the packets of an established connection whose server is gone are dropped \
                 without a word: the client retransmits until it gives up. One that only acknowledges a download has nothing to retransmit; it sees \
                 its download stop."
            }
            Self::PortStillTaken => {
                "**New connections refused.** Under `expire_nodest_conn=0` the entry of a closed connection stays for up to 120 s. A client that \
                 uses its port again within that time sends its SYN to a server that is gone. Most such clients repeat it until the entry \
                 has expired: they show as fewer connections in all, not as refused ones."
            }
            Self::ConnectionForgotten => {
                "**Connections reset.** Under `expire_nodest_conn=1` the entries of a removed server go with it. What comes next of an \
                 established connection is no SYN, so IPVS leaves it to the TCP of the director, which knows no such connection and resets it."
            }
            Self::AnswersUntranslated => {
                "**Downloads stopped.** Under masquerade and `expire_nodest_conn=1` nobody translates what a removed server sends: it comes from an \
                 address that the client has no connection with. A client that only acknowledges gets nothing to acknowledge, sends nothing, \
                 and so is not even reset."
            }
            Self::Unexplained => "**Unexplained.**",
        }
    }
}

/// Each kind of harm in a cell has its cause.
pub(super) fn causes(key: &Key, cost: &Cost) -> BTreeSet<Why> {
    let (expires, by_ipvsdrain) = (key.expire_nodest_conn == 1, is_ipvsdrain(&key.strategy));
    let mut causes = BTreeSet::new();
    if cost.lost + cost.answers_lost > 0 {
        let is_known = !expires && !by_ipvsdrain && is_datagrams(&key.traffic) && cost.answers_lost == 0;
        causes.insert(if is_known {
            Why::EntryOutlivesServer
        } else {
            Why::Unexplained
        });
    }
    // Where a client has no session, being moved is no harm.
    if cost.moved > 0 && key.traffic == "quic" {
        causes.insert(match (key.strategy.as_str(), expires) {
            ("ipvsdrain-migrate", _) => Why::SessionMigrated,
            (_, true) if !by_ipvsdrain => Why::SessionRescheduled,
            _ => Why::Unexplained,
        });
    }
    for (count, cause, under) in [
        (cost.stuck, Why::ConnectionSwallowed, false),
        (cost.refused, Why::PortStillTaken, false),
        (cost.reset, Why::ConnectionForgotten, true),
    ] {
        if count > 0 {
            let is_known = expires == under && !by_ipvsdrain;
            causes.insert(if is_known { cause } else { Why::Unexplained });
        }
    }
    // A client that saw something break, where the wire saw nothing.
    if cost.broken > 0 && causes.is_empty() {
        causes.insert(match (key.traffic.as_str(), expires) {
            ("download", false) if !by_ipvsdrain => Why::ConnectionSwallowed,
            ("download", true) if !by_ipvsdrain && key.forwarding == "masquerade" => Why::AnswersUntranslated,
            _ => Why::Unexplained,
        });
    }
    causes
}

/// Every cell that is not zero, by its cause.
pub(super) fn list(records: &Records) -> String {
    let mut by_cause: BTreeMap<Why, Vec<&Record>> = BTreeMap::new();
    for record in records.all() {
        for why in record
            .valid()
            .map(|cost| causes(&record.key, cost))
            .unwrap_or_default()
        {
            by_cause.entry(why).or_default().push(record);
        }
    }
    let mut text = String::new();
    for (why, cells) in by_cause {
        let _ = writeln!(
            text,
            "- {} {} cells: {}.",
            why.text(),
            cells.len(),
            where_it_was(&cells)
        );
    }
    text
}

/// `delete` (dns, quic), …: in the order of the tables.
fn where_it_was(cells: &[&Record]) -> String {
    let traffic_of = |strategy: &str| {
        let has = |traffic: &&str| {
            cells
                .iter()
                .any(|record| record.key.strategy == strategy && record.key.traffic == **traffic)
        };
        TRAFFIC.into_iter().filter(has).collect::<Vec<_>>().join(", ")
    };
    STRATEGIES
        .into_iter()
        .map(|strategy| (strategy, traffic_of(strategy)))
        .filter(|(_, traffic)| !traffic.is_empty())
        .map(|(strategy, traffic)| format!("`{strategy}` ({traffic})"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::loss::record::tests::{cost, record};
    use crate::cache;

    fn cell(traffic: &str, strategy: &str, expires: u8, change: impl Fn(&mut Cost)) -> Record {
        let mut one = record("6.1", traffic, strategy, None);
        one.key.expire_nodest_conn = expires;
        let mut cost = cost(100, 0, None);
        change(&mut cost);
        one.cost = Some(cost);
        one
    }

    fn masquerade(mut cell: Record) -> Record {
        cell.key.forwarding = "masquerade".to_owned();
        cell
    }

    #[test]
    fn each_kind_of_harm_has_its_cause_under_its_setting_alone() {
        for (cell, expected) in [
            (
                cell("dns", "delete", 0, |cost| cost.lost = 1),
                Some(Why::EntryOutlivesServer),
            ),
            (
                cell("dns", "delete", 1, |cost| cost.lost = 1),
                Some(Why::Unexplained),
            ),
            (
                cell("dns", "ipvsdrain", 0, |cost| cost.lost = 1),
                Some(Why::Unexplained),
            ),
            (
                cell("quic", "delete", 1, |cost| cost.moved = 1),
                Some(Why::SessionRescheduled),
            ),
            (
                cell("quic", "ipvsdrain", 1, |cost| cost.moved = 1),
                Some(Why::Unexplained),
            ),
            (
                cell("quic", "ipvsdrain-migrate", 0, |cost| cost.moved = 1),
                Some(Why::SessionMigrated),
            ),
            (cell("dns", "delete", 1, |cost| cost.moved = 1), None),
            (
                cell("idle", "delete", 0, |cost| cost.stuck = 1),
                Some(Why::ConnectionSwallowed),
            ),
            (
                cell("idle", "delete", 0, |cost| cost.reset = 1),
                Some(Why::Unexplained),
            ),
            (
                cell("idle", "delete", 1, |cost| cost.reset = 1),
                Some(Why::ConnectionForgotten),
            ),
            (
                cell("http", "delete", 0, |cost| cost.refused = 1),
                Some(Why::PortStillTaken),
            ),
            (
                cell("http", "ipvsdrain", 0, |cost| cost.refused = 1),
                Some(Why::Unexplained),
            ),
            (
                cell("http", "delete", 0, |cost| cost.broken = 1),
                Some(Why::Unexplained),
            ),
            (
                cell("download", "delete", 0, |cost| cost.broken = 1),
                Some(Why::ConnectionSwallowed),
            ),
            (
                cell("download", "ipvsdrain", 0, |cost| cost.broken = 1),
                Some(Why::Unexplained),
            ),
            // By direct route a client that acknowledges is reset.
            (
                cell("download", "delete", 1, |cost| cost.broken = 1),
                Some(Why::Unexplained),
            ),
            (
                masquerade(cell("download", "delete", 1, |cost| cost.broken = 1)),
                Some(Why::AnswersUntranslated),
            ),
            (cell("http", "delete", 0, |_| ()), None),
        ] {
            let causes = causes(&cell.key, cell.valid().unwrap());
            assert_eq!(
                causes.into_iter().collect::<Vec<_>>(),
                Vec::from_iter(expected),
                "{cell:?}"
            );
        }
    }

    #[test]
    fn cells_are_listed_by_cause_strategy_and_traffic() {
        let mut records = Records::default();
        for (traffic, strategy) in [
            ("syslog", "delete"),
            ("dns", "delete"),
            ("dns", "keepalived-reload"),
        ] {
            records.take(cell(traffic, strategy, 0, |cost| cost.lost = 1));
        }
        records.take(cell("idle", "ipvsdrain", 0, |_| ()));
        let text = list(&records);
        assert!(
            text.contains("3 cells: `delete` (dns, syslog), `keepalived-reload` (dns)."),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn every_published_cell_that_is_not_zero_is_explained() {
        let records = Records::open(&cache::workspace().join("docs/benchmark")).unwrap();
        let text = list(&records);
        assert!(!text.contains("Unexplained"), "{text}");
    }
}
