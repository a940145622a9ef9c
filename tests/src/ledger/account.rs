//! Questions asked of a ledger: what was lost or duplicated, who served it, and how many flows were live.
//!
//! Pure: it reads notes and answers exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipvsdrain::moment::Moment;

use super::{Flow, Notes, Ports, Receipt, Server, Transport};

/// A ledger at one moment.
#[derive(Debug, Clone, Default)]
pub struct Account {
    flows: BTreeMap<Flow, Notes>,
}

/// What became of one flow's records. Sequences are in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowAccount {
    pub sent: usize,
    /// Distinct records that reached a server.
    pub received: usize,
    /// Sent, and received by no server.
    pub lost: Vec<u64>,
    /// Received more than once.
    pub duplicated: Vec<u64>,
    /// Received by a server, and no reply came back. Every record of one-way traffic is here.
    pub unanswered: Vec<u64>,
    pub broken: Option<String>,
}

/// From where an observer looks: it tells time with an error of up to `grain`, and has seen no packet from before
/// `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub at: Moment,
    pub grain: Duration,
    pub since: Moment,
}

/// An unbroken run of records of one flow on one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Servings {
    pub server: Server,
    pub records: usize,
    pub first: Moment,
    pub last: Moment,
}

impl Account {
    pub(crate) fn open(&mut self, transport: Transport) -> Flow {
        let flow = Flow(u32::try_from(self.flows.len()).expect("fewer than 2^32 flows") + 1);
        self.flows.insert(flow, Notes::new(transport));
        flow
    }

    pub(crate) fn notes_of(&mut self, flow: Flow) -> Option<&mut Notes> {
        self.flows.get_mut(&flow)
    }

    pub fn flows(&self) -> impl Iterator<Item = Flow> + '_ {
        self.flows.keys().copied()
    }

    /// Records sent, over all flows.
    pub fn sent(&self) -> usize {
        self.flows.values().map(|notes| notes.sent.len()).sum()
    }

    /// Records that were sent and reached no server, over all flows.
    pub fn lost(&self) -> usize {
        self.flows.values().map(|notes| notes.account().lost.len()).sum()
    }

    /// Records that reached servers more than once, over all flows.
    pub fn duplicated(&self) -> usize {
        self.flows
            .values()
            .map(|notes| notes.account().duplicated.len())
            .sum()
    }

    /// Records that a server received and whose reply never came back, over all flows.
    pub fn unanswered(&self) -> usize {
        self.flows
            .values()
            .map(|notes| notes.account().unanswered.len())
            .sum()
    }

    /// Flows whose socket failed, of which a record was lost, or, where answers are wanted, one got none.
    pub fn flows_in_trouble(&self, answers: bool) -> usize {
        let is_in_trouble = |notes: &&Notes| {
            let account = notes.account();
            account.broken.is_some()
                || !account.lost.is_empty()
                || (answers && !account.unanswered.is_empty())
        };
        self.flows.values().filter(is_in_trouble).count()
    }

    /// One line per flow that lost, duplicated or broke, for a report. At most `limit` lines.
    pub fn faults(&self, limit: usize) -> String {
        let mut lines = Vec::new();
        for (flow, notes) in &self.flows {
            let account = notes.account();
            if account.lost.is_empty() && account.duplicated.is_empty() && account.broken.is_none() {
                continue;
            }
            lines.push(format!(
                "{:?} flow {}: sent {}, lost {:?}, duplicated {:?}, broken {:?}, served {:?}",
                notes.transport,
                flow.0,
                account.sent,
                account.lost,
                account.duplicated,
                account.broken,
                notes.servings()
            ));
        }
        let more = lines.len().saturating_sub(limit);
        lines.truncate(limit);
        if more > 0 {
            lines.push(format!("and {more} flows more"));
        }
        lines.join("\n")
    }

    /// The UDP flows of which this server received a datagram since `from`, one phrase each, for a report: its port,
    /// and its first and last receipt there, in seconds after boot.
    pub fn udp_flows_since(&self, server: Server, from: Moment) -> String {
        let seconds = |at: Moment| Duration::from_nanos(at.as_nanos()).as_secs_f64();
        let mut phrases = Vec::new();
        for (flow, notes) in &self.flows {
            let mut there = notes.received.iter().filter(|receipt| receipt.server == server);
            let (Transport::Udp(ports), Some(first)) = (notes.transport, there.next()) else {
                continue;
            };
            let last = there.next_back().unwrap_or(first).at;
            if last >= from {
                let (number, port) = (flow.0, ports.client);
                let (first, last) = (seconds(first.at), seconds(last));
                phrases.push(format!(
                    "flow {number} from port {port}: {first:.1} to {last:.1} s"
                ));
            }
        }
        phrases.join("; ")
    }

    /// None if nobody opened this flow.
    pub fn of(&self, flow: Flow) -> Option<FlowAccount> {
        self.flows.get(&flow).map(Notes::account)
    }

    /// Who served the flow, in the order of receipt.
    pub fn servings(&self, flow: Flow) -> Vec<Servings> {
        self.flows.get(&flow).map(Notes::servings).unwrap_or_default()
    }

    /// Flows of which this server got at least one record.
    pub fn flows_of(&self, server: Server) -> impl Iterator<Item = Flow> + '_ {
        self.flows
            .iter()
            .filter(move |(_, notes)| notes.received.iter().any(|receipt| receipt.server == server))
            .map(|(flow, _)| *flow)
    }

    /// When this server got its last record.
    pub fn last_receipt(&self, server: Server) -> Option<Moment> {
        self.receipts(server).max()
    }

    /// When the client got the last answer to a record that this server got.
    pub fn last_answer(&self, server: Server) -> Option<Moment> {
        let of_flow = |notes: &Notes| {
            let here: BTreeSet<u64> = notes
                .received
                .iter()
                .filter(|receipt| receipt.server == server)
                .map(|receipt| receipt.sequence)
                .collect();
            let answers = notes
                .answered
                .iter()
                .filter(|(sequence, _)| here.contains(sequence));
            answers.map(|(_, at)| *at).max()
        };
        self.flows.values().filter_map(of_flow).max()
    }

    /// When the client closed the last of the TCP connections that this server accepted.
    pub fn last_close(&self, server: Server) -> Option<Moment> {
        let of = |notes: &&Notes| notes.accepted.is_some_and(|(by, _)| by == server);
        self.flows
            .values()
            .filter(of)
            .filter_map(|notes| notes.closed)
            .max()
    }

    /// Records this server got after `since`.
    pub fn received_after(&self, server: Server, since: Moment) -> usize {
        self.receipts(server).filter(|at| *at > since).count()
    }

    /// UDP flows of which the server received a datagram in the window that ends at `at`.
    pub fn live_udp(&self, server: Server, at: Moment, window: Duration) -> usize {
        self.udp_flows_touching(server, back(at, window), at)
    }

    /// The least and the most live UDP flows that an observer may report at `view.at`.
    pub fn live_udp_within(&self, server: Server, view: &View, window: Duration) -> RangeInclusive<usize> {
        let from = (back(view.at, window) + view.grain).max(view.since + view.grain);
        let until = back(view.at, view.grain);
        let surely = if from <= until {
            self.udp_flows_touching(server, from, until)
        } else {
            0
        };
        let perhaps =
            self.udp_flows_touching(server, back(view.at, window + view.grain), view.at + view.grain);
        surely..=perhaps
    }

    /// TCP connections on the server that were accepted by `at` and whose client had not closed.
    pub fn open_tcp(&self, server: Server, at: Moment) -> usize {
        self.flows
            .values()
            .filter(|notes| notes.open_at(server, at))
            .count()
    }

    /// The least and the most open TCP connections that an observer may report at `view.at`. Those it knows from
    /// before it watched: the kernel's table holds them.
    pub fn open_tcp_within(&self, server: Server, view: &View) -> RangeInclusive<usize> {
        let (before, after) = (back(view.at, view.grain), view.at + view.grain);
        let surely = self.tcp_on(server, |accepted, closed| {
            accepted <= before && closed.is_none_or(|closed| closed > after)
        });
        let perhaps = self.tcp_on(server, |accepted, closed| {
            accepted <= after && closed.is_none_or(|closed| closed > before)
        });
        surely..=perhaps
    }

    /// The least and the most connections closed by their client less than `window` ago, as an observer may
    /// report them at `view.at`.
    pub fn closing_tcp_within(&self, server: Server, view: &View, window: Duration) -> RangeInclusive<usize> {
        let from = (back(view.at, window) + view.grain).max(view.since + view.grain);
        let until = back(view.at, view.grain);
        let closed_between = |from, until| {
            self.tcp_on(server, |_, closed| {
                closed.is_some_and(|closed| from <= closed && closed <= until)
            })
        };
        let surely = closed_between(from, until);
        surely..=closed_between(back(view.at, window + view.grain), view.at + view.grain)
    }

    fn tcp_on(&self, server: Server, is: impl Fn(Moment, Option<Moment>) -> bool) -> usize {
        let of = |notes: &&Notes| {
            notes.transport == Transport::Tcp
                && notes
                    .accepted
                    .is_some_and(|(by, since)| by == server && is(since, notes.closed))
        };
        self.flows.values().filter(of).count()
    }

    fn receipts(&self, server: Server) -> impl Iterator<Item = Moment> + '_ {
        self.flows
            .values()
            .flat_map(|notes| &notes.received)
            .filter(move |receipt| receipt.server == server)
            .map(|receipt| receipt.at)
    }

    /// Both ends count. Sockets that had the same ports one after the other are one flow, as they are to IPVS.
    fn udp_flows_touching(&self, server: Server, from: Moment, to: Moment) -> usize {
        let there = |receipt: &Receipt| receipt.server == server && from <= receipt.at && receipt.at <= to;
        let ports = |notes: &Notes| match notes.transport {
            Transport::Udp(ports) if notes.received.iter().any(there) => Some(ports),
            _ => None,
        };
        let tuples: BTreeSet<Ports> = self.flows.values().filter_map(ports).collect();
        tuples.len()
    }
}

/// `span` before `at`, not before boot.
fn back(at: Moment, span: Duration) -> Moment {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Moment::from_nanos(at.as_nanos().saturating_sub(nanos))
}

impl Notes {
    fn account(&self) -> FlowAccount {
        let mut reached = BTreeSet::new();
        let mut duplicated = BTreeSet::new();
        for receipt in &self.received {
            if !reached.insert(receipt.sequence) {
                duplicated.insert(receipt.sequence);
            }
        }
        let answered: BTreeSet<u64> = self.answered.iter().map(|(sequence, _)| *sequence).collect();
        let sent: BTreeSet<u64> = self.sent.iter().map(|(sequence, _)| *sequence).collect();
        FlowAccount {
            sent: self.sent.len(),
            received: reached.len(),
            lost: sent.difference(&reached).copied().collect(),
            duplicated: duplicated.into_iter().collect(),
            unanswered: reached.difference(&answered).copied().collect(),
            broken: self.broken.clone(),
        }
    }

    fn servings(&self) -> Vec<Servings> {
        let mut runs: Vec<Servings> = Vec::new();
        for receipt in &self.received {
            match runs.last_mut() {
                Some(run) if run.server == receipt.server => {
                    run.records += 1;
                    run.last = receipt.at;
                }
                _ => runs.push(Servings {
                    server: receipt.server,
                    records: 1,
                    first: receipt.at,
                    last: receipt.at,
                }),
            }
        }
        runs
    }

    fn open_at(&self, server: Server, at: Moment) -> bool {
        self.transport == Transport::Tcp
            && self
                .accepted
                .is_some_and(|(by, since)| by == server && since <= at)
            && self.closed.is_none_or(|closed| closed > at)
    }
}
