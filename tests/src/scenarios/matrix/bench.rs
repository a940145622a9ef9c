//! One network under observation, and what happens in one cell: a fresh service, a few flows, three readings; then,
//! for UDP, the removal of the watched server while its clients go on, and a last reading.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Result, ensure};
use ipvsdrain::identity::{Family, Protocol, RealServer, VirtualService};
use ipvsdrain::moment::Moment;
use ipvsdrain::observe::{Observer, QuietWindows, Reading, Sources};
use serde_json::{Value, json};

use super::cell::{Cell, Kind};
use super::counts::{Counts, Segments};
use crate::clock;
use crate::ledger::{Account, Server};
use crate::traffic::{Replies, TcpConnection, Traffic, UdpFlow};
use crate::world::{Forwarding, Place, World};

const FIRST_PORT: u16 = 5000;
const SERVERS: u16 = 2;
/// The one that is watched.
pub(super) const WATCHED: Server = Server(1);
const QUIET: Duration = Duration::from_secs(10);
/// The observer counts by the second.
pub(super) const WELL_AFTER: Duration = Duration::from_secs(12);
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Odd, so that the servers take turns at each flow of a one-packet service.
const FLOWS: usize = 5;
const DATAGRAMS: u32 = 3;
const APART: Duration = Duration::from_millis(20);
/// Of each flow of the removed server, twice.
const GOING_ON: u32 = 2;
const FIRST_SOURCE_PORT: u16 = 20_000;
const EXPIRE_NODEST: &str = "net.ipv4.vs.expire_nodest_conn";

/// One world with an observer on its director.
pub(super) struct Bench {
    pub(super) world: World,
    pub(super) observer: Observer,
    pub(super) port: u16,
}

impl Bench {
    pub(super) fn set_up(forwarding: Forwarding, sources: &Sources) -> Result<Self> {
        let world = World::build_dual_stack(forwarding, SERVERS)?;
        let observer = world.director().machine().within(|| Observer::prepare(sources))?;
        Ok(Self {
            world,
            observer,
            port: FIRST_PORT,
        })
    }

    /// Runs one cell: `{"name", "ok", "expected", "seen"}`, and `trouble` where traffic itself went wrong.
    pub(super) fn run(&mut self, cell: Cell) -> Result<Value> {
        // Each cell has a port of its own, so that no other's connections are found again.
        self.port += 1;
        let watched = self.balance(cell)?;
        watch(&self.world, &mut self.observer, watched, cell)?;

        let begin = clock::now();
        let before = Segments::of(self.world.server(WATCHED))?;
        let mut traffic = Traffic::over(cell.family, &self.world);
        let records = start(&mut traffic, cell.protocol, self.port)?;
        traffic.ledger().wait_until(PATIENCE, |account| {
            account.sent() == records && account.lost() == 0 && account.unanswered() == 0
        });
        let now = clock::now();
        let (on, account) = (self.read(watched, now)?, traffic.ledger().account());
        let mut expected = Counts {
            live_udp: account.live_udp(WATCHED, now, QUIET) as u64,
            live_tcp_open: account.open_tcp(WATCHED, now) as u64,
            ..Counts::default()
        };

        let account = traffic.finish()?;
        let after = self.read(watched, clock::now())?;
        clock::pass(WELL_AFTER);
        let well_after = self.read(watched, clock::now())?;
        let afterwards = match cell.protocol {
            Protocol::Udp => self.remove(watched, cell, &account)?,
            _ => Afterwards::default(),
        };
        let last = self.read(watched, clock::now())?;
        let seen = Counts::seen(&on, &after, &well_after, &last)?;

        let segments = Segments::of(self.world.server(WATCHED))?.since(before);
        expect_packets(&mut expected, cell, &account, begin, segments);
        expect_arrivals(&mut expected, cell, &account, &afterwards);
        let trouble = trouble(&account, records, &expected);
        self.unwatch(watched)?;
        let ok = trouble.is_none() && expected == seen;
        let mut told = json!({"name": cell.to_string(), "ok": ok, "expected": expected, "seen": seen});
        if let Some(trouble) = trouble {
            told["trouble"] = json!(trouble);
        }
        Ok(told)
    }

    pub(super) fn unwatch(&mut self, watched: Place) -> Result<()> {
        let (world, observer) = (&self.world, &mut self.observer);
        world
            .director()
            .machine()
            .within(|| observer.unwatch(&watched.service, &watched.server))?;
        Ok(())
    }

    /// Takes the watched server out while its clients go on: first as the kernel does it by default, which drops what
    /// comes, then with `expire_nodest_conn`, which schedules it anew.
    fn remove(&self, watched: Place, cell: Cell, account: &Account) -> Result<Afterwards> {
        let director = self.world.director();
        director.delete(watched)?;
        let mut afterwards = Afterwards::default();
        for value in ["0", "1"] {
            director.machine().set_sysctl(EXPIRE_NODEST, value)?;
            let flows = account.flows_of(WATCHED).map(|flow| UdpFlow {
                source_port: Some(source_port(flow.0)),
                ..flow_of(GOING_ON)
            });
            let flows: Vec<UdpFlow> = flows.collect();
            let mut traffic = Traffic::over(cell.family, &self.world);
            let records = flows.len() * GOING_ON as usize;
            traffic.receive_udp(self.port, Replies::None)?;
            traffic.send_udp(self.port, Replies::None, flows)?;
            traffic
                .ledger()
                .wait_until(PATIENCE, |account| account.sent() == records);
            let account = traffic.finish()?;
            ensure!(
                account.sent() == records,
                "{} of {records} records were sent",
                account.sent()
            );
            afterwards.sent += records as u64;
            afterwards.lost += account.lost() as u64;
        }
        director.machine().set_sysctl(EXPIRE_NODEST, "0")?;
        Ok(afterwards)
    }

    /// Adds the cell's service with all servers; returns the place to watch.
    pub(super) fn balance(&self, cell: Cell) -> Result<Place> {
        let director = self.world.director();
        let (family, protocol, port) = (cell.family, cell.protocol, self.port);
        let mut service = VirtualService::Address {
            protocol,
            addr: (World::vip(family), port).into(),
        };
        let mut server_port = port;
        if cell.kind == Kind::Fwmark {
            let mark = NonZeroU32::MIN.saturating_add(u32::from(port));
            director.mark(family, protocol, port, mark)?;
            service = VirtualService::Fwmark { mark, family };
            server_port = 0;
        }
        let options = match cell.kind {
            Kind::Plain | Kind::Fwmark | Kind::Mixed => "-s rr",
            Kind::Persistent => "-s rr -p 300",
            Kind::OnePacket => "-s rr -o",
        };
        let servers_in = servers_family(cell);
        let place = |number| {
            let address = self.world.server(number).address_in(servers_in);
            Place {
                service,
                server: RealServer((address, server_port).into()),
            }
        };
        let servers = (1..=SERVERS).map(Server).map(|number| {
            // The one client of a persistent service gets one server: the one that is watched.
            let spare = cell.kind == Kind::Persistent && number != WATCHED;
            (place(number).server, u32::from(!spare))
        });
        director.add(&service, options, cell.forwarding, servers)?;
        // The servers would take IP in IP as well: it must not stand in for another tunnel.
        let saved = director.saved()?;
        let words = || cell.forwarding.flag().split(' ');
        let configured = saved
            .lines()
            .filter(|line| words().all(|word| line.contains(word)));
        ensure!(
            configured.count() >= usize::from(SERVERS),
            "no servers with `{}` in the table:\n{saved}",
            cell.forwarding.flag()
        );
        Ok(place(WATCHED))
    }

    pub(super) fn read(&self, watched: Place, now: Moment) -> Result<Reading> {
        let quiet = QuietWindows {
            udp: QUIET,
            tcp: QUIET,
            closing: QUIET,
        };
        let (observer, director) = (&self.observer, self.world.director().machine());
        Ok(director.within(|| observer.read(&watched.service, &watched.server, &quiet, now))?)
    }
}

/// Every call to the observer comes from the director, whose interfaces it looks at.
pub(super) fn watch(world: &World, observer: &mut Observer, watched: Place, cell: Cell) -> Result<()> {
    let family = servers_family(cell);
    let neighbours = world
        .servers()
        .map(|(_, machine)| machine.address_in(family))
        .collect();
    world.director().machine().within(|| {
        observer.set_neighbours(neighbours)?;
        observer.watch(&watched.service, &watched.server)
    })?;
    Ok(())
}

/// Starts receivers and flows; returns how many records will be sent.
pub(super) fn start(traffic: &mut Traffic<'_>, protocol: Protocol, port: u16) -> Result<usize> {
    ensure!(protocol != Protocol::Sctp, "the ledger knows no SCTP");
    if protocol == Protocol::Tcp {
        traffic.receive_tcp(port)?;
        let connection = TcpConnection {
            starts: Duration::ZERO,
            lasts: None,
            every: None,
        };
        for _ in 0..FLOWS {
            traffic.connect_tcp(port, connection)?;
        }
        return Ok(FLOWS);
    }
    traffic.receive_udp(port, Replies::Echo)?;
    // The ledger numbers flows in this order.
    let flows = (1..).take(FLOWS).map(|number| UdpFlow {
        source_port: Some(source_port(number)),
        ..flow_of(DATAGRAMS)
    });
    traffic.send_udp(port, Replies::Echo, flows.collect::<Vec<_>>())?;
    Ok(FLOWS * DATAGRAMS as usize)
}

fn flow_of(datagrams: u32) -> UdpFlow {
    UdpFlow {
        starts: Duration::ZERO,
        lasts: Some(APART * (datagrams - 1)),
        every: APART,
        source_port: None,
    }
}

fn source_port(flow: u32) -> u16 {
    FIRST_SOURCE_PORT + u16::try_from(flow).unwrap_or_default()
}

fn servers_family(cell: Cell) -> Family {
    match (cell.kind, cell.family) {
        (Kind::Mixed, Family::V4) => Family::V6,
        (Kind::Mixed, Family::V6) => Family::V4,
        (_, family) => family,
    }
}

/// What came of datagrams sent after the watched server was removed, all by flows it had.
#[derive(Debug, Clone, Copy, Default)]
struct Afterwards {
    sent: u64,
    lost: u64,
}

/// What came in of the flows that the watched server has, or had: of each from its first datagram there on.
fn expect_arrivals(expected: &mut Counts, cell: Cell, account: &Account, afterwards: &Afterwards) {
    expected.lost = afterwards.lost;
    expected.elsewhere = afterwards.sent - afterwards.lost;
    if cell.protocol == Protocol::Udp {
        for flow in account.flows_of(WATCHED) {
            let runs = account.servings(flow);
            let since = runs.iter().skip_while(|run| run.server != WATCHED);
            let others = since.filter(|run| run.server != WATCHED);
            expected.elsewhere += others.map(|run| run.records as u64).sum::<u64>();
        }
    }
    expected.arrived = expected.forwarded + expected.elsewhere + expected.lost;
}

/// What the server really received and sent. Of TCP its own kernel knows; of UDP the ledger does.
fn expect_packets(expected: &mut Counts, cell: Cell, account: &Account, begin: Moment, segments: Segments) {
    let replies = if cell.protocol == Protocol::Tcp {
        expected.forwarded = segments.received;
        expected.live_tcp_closing = account.flows_of(WATCHED).count() as u64;
        segments.sent
    } else {
        expected.forwarded = account.received_after(WATCHED, begin) as u64;
        expected.forwarded
    };
    // A one-packet connection is gone before its reply comes, which then crosses the director untouched.
    if cell.forwarding == Forwarding::Masquerade && cell.kind != Kind::OnePacket {
        expected.replied = replies;
    }
}

/// Why the cell proves nothing, whatever was counted.
fn trouble(account: &Account, records: usize, expected: &Counts) -> Option<String> {
    if account.sent() != records {
        return Some(format!("{} of {records} records were sent", account.sent()));
    }
    if expected.forwarded == 0 {
        return Some(format!(
            "the watched server received nothing; {}",
            account.faults(FLOWS)
        ));
    }
    (account.lost() + account.unanswered() > 0).then(|| {
        format!(
            "{} records lost, {} unanswered",
            account.lost(),
            account.unanswered()
        )
    })
}
