//! `netns-chosen`: two network namespaces hold the very same service and servers. A daemon that was started outside of
//! both and pointed at one sees and drains that one alone.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::watch;
use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::process;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, Place, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "netns-chosen",
    about: "a daemon pointed at a network namespace drains there, and leaves a twin with live flows alone",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 514;
const DRAINED: Server = Server(1);
const NAME: &str = "blue";
const LIMIT: Duration = Duration::from_mins(2);
const SOME_TRAFFIC: Duration = Duration::from_secs(5);

fn run(stage: &mut Stage) -> Result<Value> {
    let (chosen, twin) = (build()?, build()?);
    let (here, there) = (chosen.director(), twin.director());
    let (place, same) = (balance(&chosen)?, balance(&twin)?);
    ensure!(place == same, "{place} and {same} should have one name");
    here.machine().namespace().give_name(NAME)?;
    let refusals = refusals()?;

    let flows = send(&chosen, 4, Some(Duration::from_secs(20)))?;
    let others = send(&twin, 10, None)?;
    clock::pass(SOME_TRAFFIC);
    let before = there.saved()?;
    let daemon = Daemon::start_outside(&chosen, &["--netns", NAME])?;
    stage.progress(json!({"step": "drain"}));
    let drain = daemon.begin_drain(place, &[])?;
    let watched = watch::until_the_end(&chosen, &daemon, vec![(place, drain)], LIMIT)?;
    let watched = watched.into_iter().next().context("one drain was watched")?;
    clock::pass(SOME_TRAFFIC);
    let after = there.saved()?;
    let (flows, others) = (flows.finish()?, others.finish()?);

    ensure!(
        watched.end.code == Some(0) && here.row(place)?.is_none(),
        "the drain ended with {:?}: {:?}; the daemon printed: {}",
        watched.end.code,
        watched.end.drain,
        daemon.log()
    );
    ensure!(
        before == after && after.contains(&place.server.to_string()),
        "the twin's table changed from {before} to {after}"
    );
    ensure!(
        others.lost() == 0 && others.flows_of(DRAINED).count() == 5,
        "the twin's traffic: {}",
        others.faults(5)
    );
    ensure!(flows.lost() == 0, "{} lost: {}", flows.lost(), flows.faults(5));
    let live = watched
        .views
        .iter()
        .filter_map(|view| view.live)
        .map(|live| live.udp);
    let most = live.max().context("the daemon never knew the live flows")?;
    let own = flows.flows_of(DRAINED).count() as u64;
    ensure!(
        most == own,
        "the daemon saw {most} live flows at most, of {own} in its namespace"
    );

    by_path(&twin, same)?;
    Ok(json!({"drain": watched.end.drain, "refusals": refusals}))
}

fn build() -> Result<World> {
    World::build(Forwarding::DirectRoute, 2)
}

fn balance(world: &World) -> Result<Place> {
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    Ok(world.place(service, DRAINED, PORT))
}

fn send(world: &World, flows: usize, lasts: Option<Duration>) -> Result<Traffic<'_>> {
    let flow = UdpFlow {
        starts: Duration::ZERO,
        lasts,
        every: Duration::from_millis(200),
        source_port: None,
    };
    let mut traffic = Traffic::new(world);
    traffic.receive_udp(PORT, Replies::Echo)?;
    traffic.send_udp(PORT, Replies::Echo, vec![flow; flows])?;
    Ok(traffic)
}

/// A namespace without a name: another daemon shows the twin's table, in which both servers still are.
fn by_path(twin: &World, place: Place) -> Result<()> {
    let path = twin.director().machine().namespace().path();
    let daemon = Daemon::start_outside(twin, &["--netns", &path.display().to_string()])?;
    let services = daemon.status()?.services;
    let servers: Vec<_> = services.iter().flat_map(|service| &service.servers).collect();
    ensure!(
        servers.len() == 2 && servers.iter().any(|server| server.server == place.server),
        "the daemon of {} shows {services:?}",
        path.display()
    );
    Ok(())
}

/// What cannot be entered is refused with its path and a remedy.
fn refusals() -> Result<Vec<String>> {
    let refused = [
        (refusal("red", &[])?, ["/run/netns/red", "ip netns list"]),
        (
            refusal("/proc/self/ns/mnt", &[])?,
            ["/proc/self/ns/mnt", "not a network namespace"],
        ),
        (
            refusal(NAME, &[CapabilitySet::SYS_ADMIN])?,
            ["/run/netns/blue", "CAP_SYS_ADMIN"],
        ),
    ];
    for (said, words) in &refused {
        ensure!(
            words.iter().all(|word| said.contains(word)),
            "it does not say {words:?} but: {said}"
        );
    }
    Ok(refused.into_iter().map(|(said, _)| said).collect())
}

fn refusal(netns: &str, missing: &[CapabilitySet]) -> Result<String> {
    let folder = TempDir::new().context("cannot make a folder for the daemon")?;
    let in_folder = |name: &str| folder.path().join(name);
    let (socket, state) = (in_folder("socket"), in_folder("state"));
    let words: [&OsStr; 7] = [
        "daemon".as_ref(),
        "--socket".as_ref(),
        socket.as_ref(),
        "--state".as_ref(),
        state.as_ref(),
        "--netns".as_ref(),
        netns.as_ref(),
    ];
    // The bounding set belongs to this thread; the child inherits it.
    let output = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            for capability in missing {
                remove_capability_from_bounding_set(*capability)
                    .with_context(|| format!("cannot give up {capability:?}"))?;
            }
            process::output(Command::new("ipvsdrain").args(words), "")
        });
        thread.join().expect("starting a program does not panic")
    })?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(1) && !Path::new(&state).exists(),
        "a daemon for {netns} ended with {}: {said}",
        output.status
    );
    Ok(said)
}
