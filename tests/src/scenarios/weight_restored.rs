//! `weight-restored`: a drain that is turned around leaves the server exactly as it was: weight, thresholds,
//! forwarding method and every tunnel option, as `ipvsadm` saves them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::clock;
use crate::daemon::Daemon;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, Place, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "weight-restored",
    about: "restore gives back the exact weight, thresholds and tunnel options",
    programs: &[],
    observes: false,
    run,
};

/// One server per way to be configured, and one more that is never drained.
const CONFIGURATION: &str = "\
-A -u 10.0.0.1:53 -s wrr
-a -u 10.0.0.1:53 -r 10.1.0.5:53 -g -w 7 -x 1000 -y 900
-a -u 10.0.0.1:53 -r 10.1.0.6:53 -m -w 65535
-a -u 10.0.0.1:53 -r 10.1.0.7:53 -i -w 3 --tun-type gue --tun-port 6080 --tun-nocsum
-a -u 10.0.0.1:53 -r 10.1.0.8:53 -i -w 4 --tun-type gre --tun-csum -x 5 -y 4
-a -u 10.0.0.1:53 -r 10.1.0.9:53 -i -w 2
-A -t 10.0.0.1:443 -s wlc -p 360
-a -t 10.0.0.1:443 -r 10.1.0.5:443 -g -w 1
-a -t 10.0.0.1:443 -r 10.1.0.6:443 -g -w 1
";

fn run(_stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let director = world.director();
    director.restore(CONFIGURATION)?;
    let before = shown(&world)?;
    // Otherwise the comparison below could miss what this tool does not show.
    for option in [
        " 1000 ",
        "--tun-type gue",
        "--tun-port 6080",
        "--tun-type gre",
        "-p 360",
    ] {
        ensure!(
            before.contains(option),
            "`ipvsadm` does not show `{option}`: {before}"
        );
    }

    let daemon = Daemon::start(&world, &[])?;
    let mut places = Vec::new();
    for (service, server) in [
        ("udp:10.0.0.1:53", "10.1.0.5:53"),
        ("udp:10.0.0.1:53", "10.1.0.6:53"),
        ("udp:10.0.0.1:53", "10.1.0.7:53"),
        ("udp:10.0.0.1:53", "10.1.0.8:53"),
        ("tcp:10.0.0.1:443", "10.1.0.5:443"),
    ] {
        places.push(Place {
            service: service.parse()?,
            server: server.parse()?,
        });
    }
    for place in places {
        there_and_back(&world, &daemon, place).with_context(|| format!("{place}"))?;
        let after = shown(&world)?;
        ensure!(
            after == before,
            "{place} is not as it was\nbefore:\n{before}\nafter:\n{after}"
        );
    }
    Ok(json!({"saved": before.lines().count()}))
}

/// All that `ipvsadm` shows of the configuration: what it saves leaves the thresholds out.
fn shown(world: &World) -> Result<String> {
    let thresholds = world
        .director()
        .machine()
        .run("ipvsadm", &["-L", "-n", "--thresholds"], "")?;
    Ok(world.director().saved()? + &thresholds)
}

fn there_and_back(world: &World, daemon: &Daemon<'_>, place: Place) -> Result<()> {
    // Nearly all of the weight is one server's: below the capacity floor.
    let drain = daemon.begin_drain(place, &["--force", "--reason", "it comes back at once"])?;
    let weight = || world.director().row(place).map(|row| row.map(|row| row.weight));
    let deadline = clock::now() + Duration::from_secs(5);
    while weight()? != Some(0) && clock::now() < deadline {
        ensure!(
            !drain.await_end(Duration::from_millis(100))?,
            "the drain ended before it was restored"
        );
    }
    ensure!(
        weight()? == Some(0),
        "its weight is {:?} within 5 s of the drain's start; expected 0",
        weight()?
    );
    daemon.restore(place)?;
    let end = drain.finish(Duration::from_secs(30))?;
    ensure!(
        end.code == Some(5),
        "a drain that was turned around ends with 5, not {:?}: {:?}",
        end.code,
        end.drain
    );
    Ok(())
}
