//! `module-reloaded`: `ip_vs` is unloaded and loaded again under an observer and under a daemon. What was attached to
//! the old one is gone in silence; that is never taken for no traffic, and both go on by themselves with the new one.
//!
//! That can only happen under the kprobe: fentry keeps the module in the kernel while a server is watched.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::api::DrainView;
use ipvsdrain::identity::Protocol;
use ipvsdrain::observe::{Hook, ObserveError, Observer, QuietWindows, Reading, Sources};
use nix::sys::signal::{Signal, kill};
use rustix::thread::CapabilitySet;
use serde_json::{Value, json};

use crate::clock;
use crate::daemon::{Daemon, PendingDrain};
use crate::ledger::Server;
use crate::process;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, Place, VIP, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "module-reloaded",
    about: "when ip_vs is unloaded the evidence is unknown at once, and it comes back with the module",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 514;
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";
const DRAINED: Server = Server(1);
const QUIET: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_mins(2);
/// Services of a namespace that is being taken apart still hold the module.
const LEFTOVERS_GO: Duration = Duration::from_mins(1);

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let place = balance(&world)?;
    kept_by_fentry(&world, place)?;
    // Without this right the daemon uses the kprobe, which Debian allows up to this level.
    fs::write(PARANOID, "2").with_context(|| format!("cannot write {PARANOID}"))?;
    let daemon = Daemon::start_without(&world, &[], &[CapabilitySet::SYS_ADMIN])?;
    let observed = observer(&world, place)?;
    stage.progress(json!({"step": "a drain under way"}));
    let drained = drained(&world, &daemon, place)?;
    stage.progress(json!({"step": "a drain that goes on"}));
    let went_on = went_on(&world, &daemon, place)?;
    Ok(json!({"observer": observed, "drained": drained, "went_on": went_on}))
}

fn balance(world: &World) -> Result<Place> {
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    Ok(world.place(service, DRAINED, PORT))
}

/// While fentry watches a server, the module cannot be unloaded.
fn kept_by_fentry(world: &World, place: Place) -> Result<()> {
    let director = world.director().machine();
    let mut observer = director.within(|| Observer::prepare(&Sources::default()))?;
    director.within(|| observer.watch(&place.service, &place.server))?;
    let attached = observer.attached();
    ensure!(
        attached.first().is_some_and(|name| name.starts_with("fentry:")),
        "attached: {attached:?}"
    );
    let removed = process::run(Command::new("modprobe").args(["-r", "ip_vs_rr", "ip_vs"]), "");
    ensure!(removed.is_err(), "ip_vs was unloaded under fentry");
    director.within(|| observer.unwatch(&place.service, &place.server))?;
    Ok(())
}

/// What the observer says while the module is away and after it is back; then it counts again.
fn observer(world: &World, place: Place) -> Result<Value> {
    let director = world.director().machine();
    let mut observer = director.within(|| Observer::prepare(&by_kprobe()))?;
    observer.watch(&place.service, &place.server)?;
    count(world, &observer, place)?;

    let away = Away::unload(world)?;
    let unloaded = read(&observer, place).err().context("silence was read")?;
    ensure!(
        matches!(unloaded, ObserveError::IpvsUnloaded),
        "it says: {unloaded}"
    );
    ensure!(
        !observer.is_watched(&place.service, &place.server),
        "{observer:?}"
    );
    away.load()?;
    balance(world)?;
    let reloaded = read(&observer, place).err().context("silence was read")?;
    ensure!(
        matches!(reloaded, ObserveError::IpvsReloaded),
        "it says: {reloaded}"
    );

    observer.watch(&place.service, &place.server)?;
    count(world, &observer, place)?;

    let away = Away::unload(world)?;
    let refused = observer.watch(&place.service, &place.server);
    let refused = refused.err().context("watched without ip_vs")?;
    ensure!(
        matches!(refused, ObserveError::IpvsNotLoaded),
        "it says: {refused}"
    );
    ensure!(
        observer.attached().is_empty(),
        "attached: {:?}",
        observer.attached()
    );
    away.load()?;
    balance(world)?;
    observer.watch(&place.service, &place.server)?;
    let reading = count(world, &observer, place)?;
    Ok(json!({
        "unloaded": unloaded.to_string(),
        "reloaded": reloaded.to_string(),
        "refused": refused.to_string(),
        "forwarded": reading.forwarded,
    }))
}

fn by_kprobe() -> Sources {
    Sources {
        hook: Some(Hook::Kprobe),
        ..Sources::default()
    }
}

fn read(observer: &Observer, place: Place) -> Result<Reading, ObserveError> {
    let quiet = QuietWindows {
        udp: QUIET,
        tcp: QUIET,
        closing: QUIET,
    };
    observer.read(&place.service, &place.server, &quiet, clock::now())
}

/// Two flows, one to each server: the watched one's is seen, and nothing else.
fn count(world: &World, observer: &Observer, place: Place) -> Result<Reading> {
    for _ in 0..2 {
        let client = world
            .client()
            .within(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
        client.send_to(b"x", (VIP, PORT))?;
    }
    let reading = read(observer, place)?;
    ensure!(
        (reading.forwarded, reading.live_udp, reading.mistaken) == (1, 1, 0),
        "one of two datagrams went to the watched server: {reading:?}"
    );
    Ok(reading)
}

/// A drain loses its service with the module and yields; the next one, behind the new module, removes its server.
fn drained(world: &World, daemon: &Daemon<'_>, place: Place) -> Result<Value> {
    let traffic = send(world, None)?;
    let drain = begin(daemon, place)?;
    Away::unload(world)?.load()?;
    let yielded = drain.finish(LIMIT)?;
    ensure!(yielded.code == Some(5), "the drain ended with {yielded:?}");
    traffic.finish()?;
    let attached = daemon.status()?.attached;
    ensure!(
        attached.is_empty(),
        "attached though nothing is drained: {attached:?}"
    );

    balance(world)?;
    let traffic = send(world, Some(Duration::from_secs(15)))?;
    let drain = begin(daemon, place)?.finish(LIMIT)?;
    let removed_at = clock::now();
    let account = traffic.finish()?;
    ensure!(
        drain.code == Some(0) && world.director().row(place)?.is_none(),
        "the drain behind the new module ended with {drain:?}; the daemon printed: {}",
        daemon.log()
    );
    let last = account.last_receipt(DRAINED).context("server1 got nothing")?;
    ensure!(
        account.lost() == 0 && removed_at.since(last) >= QUIET,
        "removed {:?} after the last datagram; {}",
        removed_at.since(last),
        account.faults(5)
    );
    Ok(json!({"yielded": yielded.drain, "removed": drain.drain}))
}

/// The table is back, the drained server at weight 0, before the daemon looks again: only the probes are gone. The
/// drain says so, watches anew and waits for its whole window once more.
fn went_on(world: &World, daemon: &Daemon<'_>, place: Place) -> Result<Value> {
    let director = world.director();
    director.machine().run("ipvsadm", &["-C"], "")?;
    balance(world)?;
    let traffic = send(world, None)?;
    let drain = begin(daemon, place)?;
    kill(daemon.pid(), Signal::SIGSTOP).context("cannot halt the daemon")?;
    Away::unload(world)?.load()?;
    balance(world)?;
    director.set_weight(place, 0)?;
    let back_at = clock::now();
    kill(daemon.pid(), Signal::SIGCONT).context("cannot let the daemon go on")?;
    let end = drain.finish(LIMIT)?;
    let took = clock::now().since(back_at);
    traffic.finish()?;
    let said = daemon.log();
    ensure!(
        end.code == Some(0) && director.row(place)?.is_none(),
        "the drain ended with {end:?}; the daemon printed: {said}"
    );
    ensure!(
        said.contains("unloaded and loaded again"),
        "the daemon did not say why it knew nothing: {said}"
    );
    ensure!(
        took >= QUIET,
        "removed {took:?} after the probes came back; {QUIET:?} of silence are needed"
    );
    Ok(json!({"removed": end.drain, "seconds_after_reload": took.as_secs_f64()}))
}

fn send(world: &World, lasts: Option<Duration>) -> Result<Traffic<'_>> {
    let mut traffic = Traffic::new(world);
    traffic.receive_udp(PORT, Replies::Echo)?;
    traffic.send_udp(PORT, Replies::Echo, flows(lasts))?;
    Ok(traffic)
}

/// Begins a drain and waits until it sees live flows.
fn begin(daemon: &Daemon<'_>, place: Place) -> Result<PendingDrain> {
    let drain = daemon.begin_drain(place, &[])?;
    let deadline = clock::now() + LIMIT;
    let is_live = |drain: DrainView| !drain.over && drain.live.is_some_and(|live| live.udp > 0);
    while !daemon.drain(place).is_ok_and(is_live) {
        ensure!(
            clock::now() < deadline,
            "no live flow was seen; the daemon printed: {}",
            daemon.log()
        );
        clock::pass(Duration::from_millis(200));
    }
    Ok(drain)
}

fn flows(lasts: Option<Duration>) -> [UdpFlow; 4] {
    [UdpFlow {
        starts: Duration::ZERO,
        lasts,
        every: Duration::from_millis(200),
        source_port: None,
    }; 4]
}

/// `ip_vs` is out of the kernel; dropping this brings it back, for the scenarios that follow in this guest.
#[derive(Debug)]
struct Away {
    is_back: bool,
}

impl Away {
    /// Removes every service and then the modules, those that use `ip_vs` first.
    fn unload(world: &World) -> Result<Self> {
        world.director().machine().run("ipvsadm", &["-C"], "")?;
        let away = Self { is_back: false };
        let deadline = clock::now() + LEFTOVERS_GO;
        loop {
            let users = fs::read_dir("/sys/module/ip_vs/holders").context("cannot see who uses ip_vs")?;
            let users = users
                .map(|user| Ok(user?.file_name()))
                .collect::<Result<Vec<_>>>()?;
            let removed = process::run(Command::new("modprobe").arg("-r").args(users).arg("ip_vs"), "");
            match removed {
                Ok(_) => return Ok(away),
                Err(error) if clock::now() > deadline => return Err(error),
                Err(_) => clock::pass(Duration::from_millis(100)),
            }
        }
    }

    fn load(mut self) -> Result<()> {
        load()?;
        self.is_back = true;
        Ok(())
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if !self.is_back {
            // A failure shows in the next scenario that needs it.
            let _ = load();
        }
    }
}

fn load() -> Result<()> {
    process::run(Command::new("modprobe").arg("ip_vs"), "").map(drop)
}
