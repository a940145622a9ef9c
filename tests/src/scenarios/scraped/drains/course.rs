//! What happens while Prometheus looks: two drains from start to removal, one that is held, one that leaks and is overdue, one
//! that is refused, a server that fails and comes back, a reload that is taken and one that is refused.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::{Protocol, VirtualService};
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use super::secured::Secured;
use crate::clock;
use crate::daemon::{Daemon, PendingDrain};
use crate::ledger::Server;
use crate::process;
use crate::scenario::Stage;
use crate::scenarios::scraped::prometheus::Prometheus;
use crate::traffic::{Replies, TcpConnection, Traffic, UdpFlow};
use crate::world::{Forwarding, Place, World};

const DNS: u16 = 53;
const SYSLOG: u16 = 514;
const WEB: u16 = 80;
const NTP: u16 = 123;
const LIMIT: Duration = Duration::from_mins(2);

pub(super) struct Course<'world> {
    world: &'world World,
    traffic: Traffic<'world>,
    dns: [VirtualService; 2],
    syslog: VirtualService,
    /// Persistent.
    web: VirtualService,
    ntp: VirtualService,
}

impl<'world> Course<'world> {
    /// The services, and servers that listen.
    pub(super) fn prepare(world: &'world World) -> Result<Self> {
        let balance = |protocol, port, scheduler: &str| {
            let addresses = world.servers().map(|(_, machine)| machine.address());
            let director = world.director();
            director.balance(protocol, port, scheduler, Forwarding::DirectRoute, addresses)
        };
        let mut traffic = Traffic::new(world);
        for port in [DNS, SYSLOG] {
            traffic.receive_udp(port, Replies::Echo)?;
        }
        for port in [DNS, WEB] {
            traffic.receive_tcp(port)?;
        }
        Ok(Self {
            dns: [
                balance(Protocol::Udp, DNS, "rr")?,
                balance(Protocol::Tcp, DNS, "rr")?,
            ],
            syslog: balance(Protocol::Udp, SYSLOG, "rr")?,
            web: balance(Protocol::Tcp, WEB, "rr -p 300")?,
            ntp: balance(Protocol::Udp, NTP, "rr")?,
            traffic,
            world,
        })
    }

    pub(super) fn run(
        &mut self,
        stage: &mut Stage,
        daemon: &Daemon<'_>,
        prometheus: &Prometheus<'_>,
        secured: &Secured,
    ) -> Result<()> {
        self.send()?;
        clock::pass(Duration::from_secs(3));
        let first = Server(1);
        let dns = self.dns.map(|service| self.world.place(service, first, DNS));
        let mut pending = Vec::new();
        for place in dns {
            pending.push(daemon.begin_drain(place, &["--reason", "kernel update"])?);
        }
        let held = self.world.place(self.syslog, first, SYSLOG);
        let _held = daemon.begin_drain(held, &["--pinned", "hold"])?;
        let leaking = self.favourite()?;
        let _leaking = daemon.begin_drain(leaking, &["--deadline", "10s", "--on-deadline", "hold"])?;
        stage.progress(json!({"step": "drains began"}));

        await_series(prometheus, "ipvsdrain_drain_held{cause=\"pinned_flows\"}")?;
        let said = daemon.says(&["drain", &self.syslog.to_string(), &self.other(held)])?;
        ensure!(said.code != Some(0), "it was to be refused: {}", said.said);
        let page = secured.page(self.world)?;
        judged_by_promtool(self.world, &page)?;
        await_series(prometheus, "ipvsdrain_drain_leaked_flows > 0")?;
        self.fails_and_comes_back(daemon)?;
        stage.progress(json!({"step": "a server failed"}));
        reloads(daemon, prometheus, secured)?;
        stage.progress(json!({"step": "reloaded"}));
        for (place, drain) in dns.into_iter().zip(pending) {
            ended(place, drain)?;
        }
        Ok(())
    }

    /// Clients that stop one after another, and some that never do.
    fn send(&mut self) -> Result<()> {
        let flow = |number: u16, lasts: Option<u64>| UdpFlow {
            starts: Duration::ZERO,
            lasts: lasts.map(Duration::from_secs),
            every: Duration::from_millis(500),
            source_port: Some(41_000 + number),
        };
        let dns: Vec<_> = (0..12)
            .map(|number| flow(number, Some(15 + 3 * u64::from(number))))
            .collect();
        self.traffic.send_udp(DNS, Replies::Echo, dns)?;
        let syslog: Vec<_> = (20..23).map(|number| flow(number, None)).collect();
        self.traffic.send_udp(SYSLOG, Replies::Echo, syslog)?;
        for number in 0..6 {
            self.traffic.connect_tcp(
                DNS,
                TcpConnection {
                    starts: Duration::ZERO,
                    lasts: Some(Duration::from_secs(20 + 5 * number)),
                    every: Some(Duration::from_secs(1)),
                },
            )?;
        }
        self.traffic.connect_short_tcp(WEB, Duration::from_secs(1))
    }

    /// The server that persistence sends the client to.
    fn favourite(&self) -> Result<Place> {
        let table = self.world.director().table()?;
        let busy = table
            .iter()
            .find(|row| row.place.service == self.web && row.active + row.inactive > 0);
        Ok(busy
            .context("no server has the client of the persistent service")?
            .place)
    }

    /// Another server of the same service, whose drain would leave too little.
    fn other(&self, place: Place) -> String {
        let other = self.world.place(place.service, Server(2), place.server.0.port());
        other.server.to_string()
    }

    fn fails_and_comes_back(&self, daemon: &Daemon<'_>) -> Result<()> {
        let place = self.world.place(self.ntp, Server(3), NTP);
        let (service, server) = (place.service.to_string(), place.server.to_string());
        let report = |status: &str| {
            let words = [
                "report", &service, &server, status, "--source", "probe", "--ttl", "5m",
            ];
            let said = daemon.says(&words)?;
            ensure!(said.code == Some(0), "the report is not taken: {}", said.said);
            Ok(())
        };
        report("down")?;
        daemon.await_health(place, "removed", LIMIT)?;
        report("up")?;
        daemon.await_health(place, "well", LIMIT)
    }

    /// The account, once all traffic has ended.
    pub(super) fn finish(self) -> Result<Value> {
        let account = self.traffic.finish()?;
        ensure!(account.lost() == 0, "datagrams were lost: {account:?}");
        Ok(json!(account.lost()))
    }
}

fn ended(place: Place, drain: PendingDrain) -> Result<()> {
    let end = drain.finish(LIMIT)?;
    ensure!(
        end.code == Some(0),
        "the drain of {place} ended with {:?}: {:?}",
        end.code,
        end.drain
    );
    Ok(())
}

/// A certificate that was renewed is taken, a configuration with a mistake is not.
fn reloads(daemon: &Daemon<'_>, prometheus: &Prometheus<'_>, secured: &Secured) -> Result<()> {
    secured.certify()?;
    for (lines, taken) in [("", 1), ("shadw = true", 0)] {
        secured.configure(lines)?;
        kill(daemon.pid(), Signal::SIGHUP).context("cannot send SIGHUP")?;
        let result = if taken == 1 { "taken" } else { "refused" };
        await_series(
            prometheus,
            &format!(
                "ipvsdrain_config_reloads_total{{result=\"{result}\"}} == 1 \
                 and on() ipvsdrain_config_last_reload_successful == {taken}"
            ),
        )
        .with_context(|| daemon.log())?;
    }
    Ok(())
}

fn await_series(prometheus: &Prometheus<'_>, query: &str) -> Result<()> {
    let deadline = clock::now() + LIMIT;
    while prometheus.instant(query)?.is_empty() {
        ensure!(clock::now() < deadline, "`{query}` finds nothing");
        clock::pass(Duration::from_secs(1));
    }
    Ok(())
}

/// No error and not a word of advice.
fn judged_by_promtool(world: &World, page: &str) -> Result<()> {
    let mut command = std::process::Command::new("promtool");
    let output = world
        .director()
        .machine()
        .within(|| process::output(command.args(["check", "metrics"]), page))?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(
        output.status.success() && said.is_empty(),
        "promtool: {}, {}",
        output.status,
        String::from_utf8_lossy(&said).trim()
    );
    Ok(())
}
