//! A host in memory. It proves what the supervisor and the executor do and in which order; it proves nothing about
//! IPVS. Its rules are those measured on real kernels: a removed server's live flows are lost where
//! `expire_nodest_conn` is 0 at the moment of the removal, and counters show what was forwarded.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use super::kernel::{Fault, Found, Kernel, ListedServer, ListedService, Listing};
use crate::drain::{
    Arrivals, AtZero, Evidence, Flows, Lacking, Member, Policy, Rung, Scheduler, Server, Service, Setting,
    Table,
};
use crate::forwarding::{Configuration, Forwarding};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;
use crate::observe::{FlowDetail, FlowDetails, Usage};

/// What may go wrong at one call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The call fails and nothing happens.
    Fails,
    /// The daemon dies before the call takes effect.
    DiesBefore,
    /// The daemon dies after it took effect, before it knows.
    DiesAfter,
}

/// Thrown through the supervisor where the daemon dies.
#[derive(Debug)]
pub(crate) struct Death;

#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are switches of the host, and not states of one thing"
)]
pub(crate) struct Host {
    pub(crate) now: Moment,
    pub(crate) server: Option<Configuration>,
    pub(crate) expire_nodest: bool,
    pub(crate) quiescent_template: bool,
    pub(crate) at_zero: AtZero,
    pub(crate) persistent: bool,
    pub(crate) watched_since: Option<Moment>,
    /// UDP flows send until then.
    pub(crate) flows_until: Moment,
    /// Flows the observer can tell one by one, those that moved last first.
    pub(crate) details: Vec<FlowDetail>,
    pub(crate) watch_fault: Option<String>,
    pub(crate) rung: Rung,
    /// Are arrivals witnessed?
    pub(crate) arrivals: bool,
    /// Calls that change something, in order.
    pub(crate) changes: Vec<String>,
    pub(crate) trouble: Option<(usize, Trouble)>,
    /// Which watches of an earlier daemon were asked for; each time that was done.
    pub(crate) taken_up: Vec<BTreeSet<(VirtualService, RealServer)>>,
    /// Removals that lost packets of live flows.
    pub(crate) lossy_removals: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct FakeKernel(pub(crate) Rc<RefCell<Host>>);

pub(crate) const ORIGINAL: Configuration = Configuration {
    forwarding: Forwarding::DirectRoute,
    weight: 5,
    upper_threshold: 900,
    lower_threshold: 600,
};

impl FakeKernel {
    pub(crate) fn new() -> Self {
        let now = Moment::from_secs(1000);
        Self(Rc::new(RefCell::new(Host {
            now,
            server: Some(ORIGINAL),
            expire_nodest: false,
            quiescent_template: false,
            at_zero: AtZero::Skips,
            persistent: false,
            watched_since: None,
            flows_until: now + Duration::from_secs(20),
            details: Vec::new(),
            watch_fault: None,
            rung: Rung::Probes,
            arrivals: true,
            changes: Vec::new(),
            trouble: None,
            taken_up: Vec::new(),
            lossy_removals: 0,
        })))
    }

    pub(crate) fn pass_a_second(&self) {
        let mut host = self.0.borrow_mut();
        host.now = host.now + Duration::from_secs(1);
    }

    fn change(&self, name: &str, effect: impl FnOnce(&mut Host)) -> Result<(), Fault> {
        let mut host = self.0.borrow_mut();
        let number = host.changes.len();
        let trouble = host
            .trouble
            .filter(|(at, _)| *at == number)
            .map(|(_, trouble)| trouble);
        host.changes.push(name.to_owned());
        if !matches!(trouble, Some(Trouble::Fails | Trouble::DiesBefore)) {
            effect(&mut host);
        }
        drop(host);
        match trouble {
            None => Ok(()),
            Some(Trouble::Fails) => Err(Fault(format!("{name}: EIO"))),
            Some(Trouble::DiesBefore | Trouble::DiesAfter) => resume_unwind(Box::new(Death)),
        }
    }
}

/// This server in the table, without traffic.
fn server(configuration: Configuration) -> Server {
    Server {
        configuration,
        active: 0,
        inactive: 3,
        persistent: 0,
        packets: 0,
        packets_out: 0,
    }
}

pub(crate) fn present(weight: u32) -> Table {
    Table::Present(server(Configuration { weight, ..ORIGINAL }))
}

impl Host {
    /// Two more servers are behind the service.
    fn around(&self) -> Service {
        let other = |last: u8| Member {
            server: RealServer(([10, 1, 0, last], 53).into()),
            weight: 5,
            full: 5,
        };
        Service {
            scheduler: Scheduler {
                name: "rr".to_owned(),
                at_zero: self.at_zero,
            },
            persistent: self.persistent,
            others: vec![other(6), other(7)],
        }
    }

    fn live(&self) -> bool {
        self.server.is_some() && self.now < self.flows_until
    }

    fn last_packet(&self) -> Moment {
        self.now.min(self.flows_until)
    }
}

impl Kernel for FakeKernel {
    fn now(&self) -> Moment {
        self.0.borrow().now
    }

    async fn wait(&self, span: Duration) {
        let mut host = self.0.borrow_mut();
        host.now = host.now + span;
    }

    async fn table(&mut self, _: &VirtualService, _: &RealServer) -> Found {
        let host = self.0.borrow();
        let table = host.server.map_or(Table::NoServer, |configuration| {
            Table::Present(Server {
                packets: host.last_packet().as_nanos() / 1_000_000_000,
                ..server(configuration)
            })
        });
        Found {
            table,
            service: Evidence::Known(Some(host.around())),
        }
    }

    async fn listing(&mut self) -> Result<Listing, Fault> {
        let listed = self.0.borrow().server.map(|configuration| ListedServer {
            server: "10.1.0.5:53".parse().expect("a real server"),
            configuration,
            active: 0,
            inactive: 3,
            persistent: 0,
        });
        Ok(vec![ListedService {
            service: "udp:10.0.0.1:53".parse().expect("a virtual service"),
            scheduler: "rr".to_owned(),
            servers: listed.into_iter().collect(),
        }])
    }

    async fn set_weight(&mut self, _: &VirtualService, _: &RealServer, weight: u32) -> Result<(), Fault> {
        self.change(&format!("weight {weight}"), |host| {
            host.server = host.server.map(|server| Configuration { weight, ..server });
        })
    }

    async fn add(&mut self, _: &VirtualService, _: &RealServer, new: &Configuration) -> Result<(), Fault> {
        self.change("add", |host| host.server = Some(*new))
    }

    async fn remove(&mut self, _: &VirtualService, _: &RealServer) -> Result<(), Fault> {
        self.change("remove", |host| {
            host.lossy_removals += u32::from(host.live() || !host.expire_nodest);
            host.server = None;
        })
    }

    fn expire_nodest(&self) -> Evidence<bool> {
        Evidence::Known(self.0.borrow().expire_nodest)
    }

    fn expire_quiescent_template(&self) -> Evidence<bool> {
        Evidence::Known(self.0.borrow().quiescent_template)
    }

    fn reuses_connections(&self) -> Evidence<bool> {
        Evidence::Known(false)
    }

    fn flushes_entries(&self) -> bool {
        true
    }

    async fn set(&mut self, _: &VirtualService, setting: Setting, on: bool) -> Result<(), Fault> {
        match setting {
            Setting::ExpireNodest => {
                self.change(&format!("expire_nodest {on}"), |host| host.expire_nodest = on)
            }
            Setting::QuiescentTemplate => self.change(&format!("quiescent_template {on}"), |host| {
                host.quiescent_template = on;
            }),
            Setting::Fallback => self.change(&format!("fallback {on}"), |host| {
                host.at_zero = AtZero::Fallback(on);
            }),
        }
    }

    fn counters(&self) -> Evidence<()> {
        Evidence::Known(())
    }

    fn take_up(&mut self, asked: &BTreeSet<(VirtualService, RealServer)>) {
        self.0.borrow_mut().taken_up.push(asked.clone());
    }

    fn watch(&mut self, _: &VirtualService, _: &RealServer) -> Result<(), Fault> {
        if let Some(fault) = &self.0.borrow().watch_fault {
            return Err(Fault(fault.clone()));
        }
        self.change("watch", |host| host.watched_since = Some(host.now))
    }

    fn unwatch(&mut self, _: &VirtualService, _: &RealServer) -> Result<(), Fault> {
        self.change("unwatch", |host| host.watched_since = None)
    }

    fn is_watched(&self, _: &VirtualService, _: &RealServer) -> bool {
        self.0.borrow().watched_since.is_some()
    }

    fn flows(&self, _: &VirtualService, _: &RealServer, policy: &Policy) -> Evidence<Flows> {
        let host = self.0.borrow();
        let Some(watched_since) = host.watched_since else {
            let why = host
                .watch_fault
                .clone()
                .unwrap_or_else(|| "not watched".to_owned());
            return Evidence::Unknown(why);
        };
        let counts = host.rung != Rung::Counters;
        let last = Some(host.last_packet()).filter(|last| counts && *last >= watched_since);
        let quiet = Duration::from_secs(u64::from(policy.udp_quiet_secs));
        let udp = u64::from(last.is_some_and(|last| host.now.since(last) < quiet));
        Evidence::Known(Flows {
            udp,
            tcp_open: 0,
            tcp_closing: 0,
            forwarded: 0,
            packets: 0,
            started: 0,
            last_packet: last,
            watched_since,
            rung: host.rung,
            arrivals: host.arrivals.then(|| Arrivals {
                lost: u64::from(host.lossy_removals),
                ..Arrivals::default()
            }),
        })
    }

    fn rung_ahead(&self) -> Evidence<(Rung, Option<String>)> {
        let host = self.0.borrow();
        let cause = (host.rung != Rung::Probes).then(|| "no kprobes".to_owned());
        match &host.watch_fault {
            Some(fault) => Evidence::Unknown(fault.clone()),
            None => Evidence::Known((host.rung, cause)),
        }
    }

    fn lacking(&self, _: &VirtualService, _: &RealServer) -> Lacking {
        Lacking::default()
    }

    fn flow_details(&self, _: &VirtualService, _: &RealServer, limit: usize) -> Result<FlowDetails, Fault> {
        let host = self.0.borrow();
        Ok(FlowDetails {
            flows: host.details.iter().copied().take(limit).collect(),
            found: u64::try_from(host.details.len()).unwrap_or(u64::MAX),
            complete: true,
            watched_since: host.watched_since.unwrap_or(host.now),
            seed: None,
            at: host.now,
        })
    }

    fn attached(&self) -> Vec<String> {
        Vec::new()
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn tidy(&mut self) {}
}
