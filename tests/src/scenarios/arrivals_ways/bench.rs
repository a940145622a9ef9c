//! One watched server and one client's flow: what was sent, forwarded and lost beside what the observer says.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use ipvsdrain::observe::{Arrivals, Observer, Preference, QuietWindows, Sources};
use serde_json::{Value, json};

use crate::clock;
use crate::ledger::Server;
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, Place, World};

pub(super) const PORT: u16 = 5300;
pub(super) const SOURCE_PORT: u16 = 20_001;

const FORWARDED: u32 = 20;
const LOST: u32 = 10;
const APART: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_secs(10);
const EXPIRE_NODEST: &str = "net.ipv4.vs.expire_nodest_conn";

pub(super) struct Bench {
    pub(super) world: World,
    place: Place,
    observer: Observer,
}

impl Bench {
    /// Everything up to the watch. `prepare` comes before the observer.
    pub(super) fn set_up(preference: Preference, prepare: impl FnOnce(&World) -> Result<()>) -> Result<Self> {
        let world = World::build(Forwarding::DirectRoute, 1)?;
        prepare(&world)?;
        let director = world.director();
        director.machine().set_sysctl(EXPIRE_NODEST, "0")?;
        let addresses = world.servers().map(|(_, machine)| machine.address());
        let service = director.balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
        let place = world.place(service, Server(1), PORT);
        let sources = Sources {
            arrivals: preference,
            ..Sources::default()
        };
        let observer = director.machine().within(|| Observer::prepare(&sources))?;
        Ok(Self {
            world,
            place,
            observer,
        })
    }

    /// What counts arrivals, such as `tcx:eth0`.
    pub(super) fn ways(&self) -> Vec<String> {
        let attached = self.observer.attached().into_iter();
        attached
            .filter(|name| !name.ends_with(":ip_vs_conn_put"))
            .collect()
    }

    /// Why arrivals are not counted.
    pub(super) fn why_none(&self) -> Option<String> {
        let (place, observer) = (self.place, &self.observer);
        let director = self.world.director().machine();
        director.within(|| observer.why_no_arrivals(&place.service, &place.server))
    }

    pub(super) fn watch(&mut self) -> Result<()> {
        let (place, observer) = (self.place, &mut self.observer);
        let director = self.world.director().machine();
        Ok(director.within(|| observer.watch(&place.service, &place.server))?)
    }

    /// Watches a TCP service on the same port instead.
    pub(super) fn watch_tcp(&mut self) -> Result<()> {
        let addresses = self.world.servers().map(|(_, machine)| machine.address());
        let director = self.world.director();
        let service = director.balance(Protocol::Tcp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
        self.place = self.world.place(service, Server(1), PORT);
        self.watch()
    }

    pub(super) fn unwatch(&mut self) -> Result<()> {
        let (place, observer) = (self.place, &mut self.observer);
        let director = self.world.director().machine();
        Ok(director.within(|| observer.unwatch(&place.service, &place.server))?)
    }

    pub(super) fn mend(&mut self) -> Result<()> {
        let observer = &mut self.observer;
        let director = self.world.director().machine();
        Ok(director.within(|| observer.mend(clock::now()))?)
    }

    pub(super) fn arrivals(&self) -> Result<Result<Arrivals, String>> {
        let quiet = QuietWindows {
            udp: QUIET,
            tcp: QUIET,
            closing: QUIET,
        };
        let (place, observer) = (self.place, &self.observer);
        let director = self.world.director().machine();
        let reading =
            director.within(|| observer.read(&place.service, &place.server, &quiet, clock::now()))?;
        Ok(reading.arrivals)
    }

    /// With the server in the table and then without it. The second half is the proof: what is forwarded makes up for
    /// an arrival that nobody saw, what is lost does not. The watch has begun, and goes on.
    pub(super) fn count(&mut self) -> Result<Value> {
        let received = self.send(FORWARDED)?;
        ensure!(
            received == FORWARDED,
            "the server got {received} of {FORWARDED} datagrams"
        );
        self.expect(u64::from(FORWARDED), 0)?;
        self.world.director().delete(self.place)?;
        let received = self.send(LOST)?;
        ensure!(
            received == 0,
            "the server that was removed got {received} datagrams"
        );
        self.expect(u64::from(FORWARDED + LOST), u64::from(LOST))?;
        Ok(json!({"ways": self.ways(), "sent": FORWARDED + LOST, "lost": LOST}))
    }

    pub(super) const fn sent_by_count() -> u64 {
        (FORWARDED + LOST) as u64
    }

    fn expect(&self, arrived: u64, lost: u64) -> Result<()> {
        let seen = self
            .arrivals()?
            .map_err(anyhow::Error::msg)
            .context("what arrived is not known")?;
        let expected = Arrivals {
            arrived,
            elsewhere: 0,
            moved: 0,
            lost: Some(lost),
        };
        ensure!(
            seen == expected,
            "counted by {:?}: {seen:?}; the ledger says {expected:?}",
            self.ways()
        );
        Ok(())
    }

    /// Returns how many of the datagrams reached the server.
    fn send(&self, datagrams: u32) -> Result<u32> {
        let mut traffic = Traffic::new(&self.world);
        traffic.receive_udp(PORT, Replies::None)?;
        let flow = UdpFlow {
            starts: Duration::ZERO,
            lasts: Some(APART * (datagrams - 1)),
            every: APART,
            source_port: Some(SOURCE_PORT),
        };
        traffic.send_udp(PORT, Replies::None, [flow])?;
        let sent = datagrams as usize;
        traffic
            .ledger()
            .wait_until(PATIENCE, |account| account.sent() == sent);
        let account = traffic.finish()?;
        ensure!(
            account.sent() == sent,
            "{} of {sent} datagrams were sent",
            account.sent()
        );
        Ok(u32::try_from(sent - account.lost())?)
    }
}
