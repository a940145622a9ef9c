//! `pins-cleaned`: what a daemon leaves in the kernel is never more than it needs, and easily taken out: pins of another
//! layout are replaced, those that do not fit are discarded, without a bpf file system a drain goes on all the same, and
//! `daemon --clean` leaves nothing.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::api::DrainView;
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use super::daemon_crashes::await_drain;
use super::daemon_killed::nothing_left;
use super::nothing_attached::traced;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "pins-cleaned",
    about: "pins of another layout are replaced, pins that do not fit are discarded, --clean leaves nothing",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 514;
const PINS: &str = "/sys/fs/bpf/ipvsdrain";

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let place = world.place(service, Server(1), PORT);
    // Before 6.6 what counts arrivals is a filter then, which stays on the interface by itself.
    world.director().machine().add_clsact()?;
    let mut traffic = Traffic::new(&world);
    traffic.receive_udp(PORT, Replies::Echo)?;
    let flow = UdpFlow {
        starts: Duration::ZERO,
        lasts: None,
        every: Duration::from_millis(500),
        source_port: None,
    };
    traffic.send_udp(PORT, Replies::Echo, [flow; 2])?;
    let before = traced()?;
    let old = of_another_layout(&world)?;

    let mut daemon = Daemon::start(&world, &[])?;
    ensure!(
        !Path::new(PINS).exists() && daemon.log().contains("another layout"),
        "{} is still there: {}",
        old.display(),
        daemon.log()
    );
    let _waiting = daemon.begin_drain(place, &[])?;
    let is_live = |drain: &DrainView| {
        drain
            .live
            .is_some_and(|live| live.udp == 1 && live.forwarded > 10)
    };
    await_drain(&daemon, place, "packets", is_live)?;
    let refused = daemon.clean()?;
    ensure!(
        !refused.status.success() && traced()? != before,
        "--clean worked while a daemon runs: {refused:?}"
    );

    stage.progress(json!({"step": "stopped and started"}));
    daemon.stop()?;
    ensure!(traced()? != before, "nobody counts between a stop and a start");
    daemon.restart(&[])?;
    let resumed = daemon.log();
    ensure!(
        resumed.contains("its watch goes on"),
        "the watch began anew: {resumed}"
    );
    await_drain(&daemon, place, "packets", is_live)?;

    stage.progress(json!({"step": "started with room for another number of flows"}));
    daemon.kill()?;
    daemon.restart(&["--flow-capacity", "5000"])?;
    await_drain(&daemon, place, "packets", is_live)?;
    let log = daemon.log();
    ensure!(
        log.contains("every watch begins anew") && log.contains("another number of flows"),
        "pins that do not fit were taken up: {log}"
    );

    stage.progress(json!({"step": "started where nothing can be pinned"}));
    daemon.kill()?;
    daemon.restart(&["--pins", "/run/ipvsdrain"])?;
    await_drain(&daemon, place, "packets", is_live)?;
    let log = daemon.log();
    ensure!(
        log.contains("mount -t bpf bpf /sys/fs/bpf"),
        "the remedy is not named: {log}"
    );

    stage.progress(json!({"step": "killed and cleaned"}));
    daemon.kill()?;
    let cleaned = daemon.clean()?;
    let said = String::from_utf8_lossy(&cleaned.stdout).into_owned();
    ensure!(
        cleaned.status.success() && said.contains(PINS) && said.contains("probe"),
        "--clean ended with {}: {said} {}",
        cleaned.status,
        String::from_utf8_lossy(&cleaned.stderr)
    );
    nothing_left(&daemon, &before)?;
    let again = daemon.clean()?;
    ensure!(
        again.status.success() && String::from_utf8_lossy(&again.stdout).contains("nothing was there"),
        "something was left: {again:?}"
    );
    let account = traffic.finish()?;
    ensure!(
        account.lost() == 0,
        "{} lost: {}",
        account.lost(),
        account.faults(5)
    );
    Ok(json!({"cleaned": said}))
}

/// A folder as an older ipvsdrain would have left it, with something in it.
fn of_another_layout(world: &World) -> Result<PathBuf> {
    let network = world
        .director()
        .machine()
        .within(|| fs::metadata("/proc/thread-self/ns/net"))?;
    let folder = Path::new(PINS).join("1").join(network.ino().to_string());
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    symlink("nothing", folder.join("FLOWS"))?;
    Ok(folder)
}
