//! A kernel in a few lines: servers, flows, counters that lag, and an observer. By the rules that were measured on
//! real ones.

use std::time::Duration;

use super::super::{
    Arrivals, AtZero, Borrowed, Capacity, Evidence, Facts, Flows, Lacking, Member, Policy, Rung, Scheduler,
    Server, Service, Table,
};
use super::event::{Fault, SERVERS, Setting};
use crate::forwarding::{Configuration, Forwarding};
use crate::identity::RealServer;
use crate::moment::Moment;

/// How long the kernel keeps the entry of a silent UDP flow.
const ENTRY: Duration = Duration::from_mins(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Udp {
        every: u64,
    },
    /// Open until its end, then closing.
    Tcp,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub(super) sort: Sort,
    pub(super) ends: Moment,
    pub(super) last: Moment,
}

#[derive(Debug, Clone)]
pub(super) struct Host {
    /// As it is in the table.
    pub(super) there: Option<Configuration>,
    /// What it is to be in service, as far as anybody could see.
    pub(super) intended: Configuration,
    pub(super) flows: Vec<Flow>,
    packets: u64,
    /// What the counter shows: renewed every other second.
    shown: u64,
    pub(super) last_packet: Option<Moment>,
    /// The last packet that the counter shows.
    pub(super) last_shown: Option<Moment>,
    pub(super) watched_since: Option<Moment>,
    seen: Option<Moment>,
    /// Packets that the observer counted since it watches.
    counted: u64,
    started: u64,
}

#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are switches of the host, and not states of one thing"
)]
pub(super) struct Model {
    pub(super) now: Moment,
    pub(super) setting: Setting,
    pub(super) servers: Vec<Host>,
    pub(super) service: bool,
    pub(super) expire_nodest: bool,
    pub(super) quiescent_template: bool,
    pub(super) fallback: bool,
    faults: Vec<(Fault, Moment)>,
    /// The observer was blind until then.
    pub(super) blind_until: Option<Moment>,
}

pub(super) fn address(server: usize) -> RealServer {
    RealServer(([10, 1, 0, u8::try_from(server).unwrap_or(0) + 5], 53).into())
}

impl Host {
    /// The drain saw the server like this.
    pub(super) fn learn(&mut self, seen: Configuration, our_weight: bool) {
        let theirs = seen.weight > 0 && !our_weight;
        let weight = if theirs { seen.weight } else { self.intended.weight };
        self.intended = Configuration { weight, ..seen };
    }
}

impl Model {
    pub(super) fn new(setting: Setting) -> Self {
        let host = |number: usize| {
            let configuration = Configuration {
                forwarding: Forwarding::DirectRoute,
                weight: [5, 3, 4][number],
                upper_threshold: 7,
                lower_threshold: 3,
            };
            Host {
                there: Some(configuration),
                intended: configuration,
                flows: Vec::new(),
                packets: 0,
                shown: 0,
                last_packet: None,
                last_shown: None,
                watched_since: None,
                seen: None,
                counted: 0,
                started: 0,
            }
        };
        Self {
            now: Moment::from_secs(1000),
            setting,
            servers: (0..SERVERS).map(host).collect(),
            service: true,
            expire_nodest: setting.expire_nodest,
            quiescent_template: false,
            fallback: false,
            faults: Vec::new(),
            blind_until: None,
        }
    }

    pub(super) fn fault(&mut self, fault: Fault, secs: u64) {
        let until = self.now + Duration::from_secs(secs);
        self.faults.push((fault, until));
        if fault == Fault::Blind {
            self.blind_until = self.blind_until.max(Some(until));
        }
    }

    /// The whole table goes, or comes back as it is intended.
    pub(super) fn flush_or_bring_back(&mut self) {
        self.service = !self.service;
        self.fallback = false;
        for host in &mut self.servers {
            host.there = self.service.then_some(host.intended);
        }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults
            .iter()
            .any(|(it, until)| *it == fault && self.now < *until)
    }

    pub(super) fn heal(&mut self) {
        self.faults.clear();
    }

    pub(super) fn start(&mut self, server: usize, sort: Sort, lasts: u64) {
        let (now, service) = (self.now, self.service);
        let host = &mut self.servers[server];
        // New flows only go where a weight is.
        if service && host.there.is_some_and(|configuration| configuration.weight > 0) {
            host.flows.push(Flow {
                sort,
                ends: now + Duration::from_secs(lasts),
                last: now,
            });
            host.started += 1;
            self.packet(server);
        }
    }

    /// One packet to this server.
    fn packet(&mut self, server: usize) {
        let (now, blind) = (self.now, self.has(Fault::Blind));
        let host = &mut self.servers[server];
        host.packets += 1;
        host.last_packet = Some(now);
        if host.watched_since.is_some() && !blind {
            host.seen = Some(now);
            host.counted += 1;
        }
    }

    pub(super) fn pass_a_second(&mut self) {
        self.now = self.now + Duration::from_secs(1);
        let now = self.now;
        for server in 0..SERVERS {
            let there = self.service && self.servers[server].there.is_some();
            let mut packets = 0;
            for flow in &mut self.servers[server].flows {
                let sends = match flow.sort {
                    Sort::Udp { every } => now <= flow.ends && now.since(flow.last).as_secs() >= every,
                    Sort::Tcp => now == flow.ends,
                };
                if there && sends {
                    flow.last = now;
                    packets += 1;
                }
            }
            for _ in 0..packets {
                self.packet(server);
            }
            let host = &mut self.servers[server];
            host.flows
                .retain(|flow| now.since(flow.last) < ENTRY || now < flow.ends);
            if (now.as_nanos() / 1_000_000_000).is_multiple_of(2) {
                host.shown = host.packets;
                host.last_shown = host.last_packet;
            }
        }
    }

    pub(super) fn watch(&mut self, server: usize) {
        let now = self.now;
        let host = &mut self.servers[server];
        host.watched_since = Some(now);
        host.seen = None;
        host.counted = 0;
    }

    /// Flows that are live in truth.
    pub(super) fn live(&self, server: usize, policy: &Policy) -> (u64, u64) {
        let quiet = |secs: u32| Duration::from_secs(u64::from(secs));
        let (mut udp, mut tcp) = (0, 0);
        for flow in &self.servers[server].flows {
            let silent = self.now.since(flow.last);
            match flow.sort {
                Sort::Udp { .. } => udp += u64::from(silent < quiet(policy.udp_quiet_secs)),
                Sort::Tcp if self.now < flow.ends => tcp += 1,
                Sort::Tcp => tcp += u64::from(silent < quiet(policy.closing_quiet_secs)),
            }
        }
        (udp, tcp)
    }

    pub(super) fn facts(&self, server: usize, policy: &Policy, others: (Capacity, Borrowed)) -> Facts {
        let host = &self.servers[server];
        let unknown = || "a fault".to_owned();
        let table = match host.there {
            _ if self.has(Fault::Table) => Table::Unknown(unknown()),
            _ if !self.service => Table::NoService,
            None => Table::NoServer,
            Some(configuration) => Table::Present(self.present(host, configuration)),
        };
        Facts {
            table,
            flows: match host.watched_since {
                Some(since) if !self.has(Fault::Flows) => Evidence::Known(self.flows(server, policy, since)),
                _ => Evidence::Unknown(unknown()),
            },
            lacking: Lacking::default(),
            counters: self.read(Fault::Counters, ()),
            service: self.read(Fault::Table, self.service.then(|| self.around(server))),
            capacity: others.0,
            expire_nodest_conn: self.read(Fault::Sysctl, self.expire_nodest),
            expire_quiescent_template: self.read(Fault::Sysctl, self.quiescent_template),
            reuses_connections: Evidence::Known(false),
            flushes_entries: true,
            borrowed_elsewhere: others.1,
            health: None,
            watched: host.watched_since.is_some(),
        }
    }

    fn read<T>(&self, fault: Fault, value: T) -> Evidence<T> {
        if self.has(fault) {
            Evidence::Unknown("a fault".to_owned())
        } else {
            Evidence::Known(value)
        }
    }

    fn present(&self, host: &Host, configuration: Configuration) -> Server {
        let open = |flow: &&Flow| flow.sort == Sort::Tcp && self.now < flow.ends;
        let active = host.flows.iter().filter(open).count();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Server {
            configuration,
            active: count(active),
            inactive: count(host.flows.len() - active),
            persistent: 0,
            packets: host.shown,
            packets_out: 0,
        }
    }

    fn flows(&self, server: usize, policy: &Policy, watched_since: Moment) -> Flows {
        let host = &self.servers[server];
        let (udp, tcp) = if self.has(Fault::Blind) {
            (0, 0)
        } else {
            self.live(server, policy)
        };
        Flows {
            udp,
            tcp_open: 0,
            tcp_closing: tcp.saturating_sub(u64::from(self.present(host, host.intended).active)),
            forwarded: host.counted,
            packets: host.counted,
            started: host.started,
            last_packet: host.seen,
            watched_since,
            rung: Rung::Probes,
            arrivals: Some(Arrivals::default()),
        }
    }

    pub(super) fn around(&self, server: usize) -> Service {
        let others = (0..SERVERS).filter(|other| *other != server).filter_map(|other| {
            let configuration = self.servers[other].there?;
            Some(Member {
                server: address(other),
                weight: configuration.weight,
                full: configuration.weight,
            })
        });
        Service {
            scheduler: Scheduler {
                name: "mh".to_owned(),
                at_zero: if self.setting.fallback_scheduler {
                    AtZero::Fallback(self.fallback)
                } else {
                    AtZero::Skips
                },
            },
            persistent: self.setting.persistent,
            others: others.collect(),
        }
    }
}
