//! The same maintenance of `server1` in four ways: what each costs in lost requests and in time.
//!
//! Owns the traffic around a maintenance and the account of it. How a server is taken out is one file per strategy;
//! a strategy sees the director and nothing of the traffic.

mod counter_poll;
mod delete;
mod fixed_timer;
mod ipvsdrain;
mod traffic;

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde::Serialize;

use crate::clock;
use crate::daemon::Daemon;
use crate::dns;
use crate::world::World;
use traffic::MaintenanceTraffic;

/// Traffic before the maintenance begins.
const BEFORE: Duration = Duration::from_secs(10);
/// Traffic after the server is out (or was given up on): time for a black hole to show.
const AFTER: Duration = Duration::from_mins(1);

/// What decides over a deleted server's flows; every strategy works with the kernel's default.
const SYSCTL: &str = "net.ipv4.vs.expire_nodest_conn";

/// A way to take a server out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// `ipvsadm -d`, at once.
    Delete,
    /// Weight 0, ten seconds, `ipvsadm -d`.
    FixedTimer,
    /// Weight 0, `ipvsadm -d` when the kernel's counters read zero.
    CounterPoll,
    /// `ipvsdrain drain --wait`.
    Ipvsdrain,
}

impl Strategy {
    pub const ALL: [Strategy; 4] = [
        Strategy::Delete,
        Strategy::FixedTimer,
        Strategy::CounterPoll,
        Strategy::Ipvsdrain,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Strategy::Delete => "delete",
            Strategy::FixedTimer => "fixed-timer",
            Strategy::CounterPoll => "counter-poll",
            Strategy::Ipvsdrain => "ipvsdrain",
        }
    }

    pub fn named(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|strategy| strategy.name() == name) {
            Some(strategy) => Ok(strategy),
            None => bail!("there is no strategy `{name}`: delete, fixed-timer, counter-poll, ipvsdrain"),
        }
    }
}

/// What one maintenance cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    pub name: &'static str,
    /// DNS queries, datagrams and TCP records.
    pub sent: u64,
    /// Of those: queries without an answer, datagrams and records that no server received.
    pub lost: u64,
    /// From the first change to the last removal; null if it was given up.
    pub seconds_to_removal: Option<f64>,
    pub removed: bool,
    pub parts: traffic::Parts,
}

/// Runs one maintenance in a world of its own. `tell` gets a line at each step.
pub fn maintain(strategy: Strategy, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    tell("building the network, starting nsd and dnsperf");
    let world = World::build(traffic::FORWARDING, traffic::SERVERS)?;
    // It runs all the time, as it does for whoever uses it.
    let daemon = match strategy {
        Strategy::Ipvsdrain => Some(Daemon::start(&world, &[])?),
        Strategy::Delete | Strategy::FixedTimer | Strategy::CounterPoll => None,
    };
    let traffic = MaintenanceTraffic::start(&world)?;
    clock::pass(BEFORE);

    tell("taking server1 out");
    let begin = clock::now();
    let places = traffic.places();
    let removed = match (strategy, &daemon) {
        (Strategy::Delete, _) => delete::take_out(world.director(), places)?,
        (Strategy::FixedTimer, _) => fixed_timer::take_out(world.director(), places)?,
        (Strategy::CounterPoll, _) => counter_poll::take_out(world.director(), places)?,
        (Strategy::Ipvsdrain, Some(daemon)) => ipvsdrain::take_out(world.director(), daemon, places)?,
        (Strategy::Ipvsdrain, None) => bail!("ipvsdrain drains with a daemon, and none was started"),
    };
    let seconds = clock::now().since(begin).as_secs_f64();
    tell(&format!(
        "{} after {seconds:.0} s",
        if removed { "removed" } else { "given up" }
    ));

    clock::pass(AFTER);
    let parts = traffic.finish()?;
    let sysctl = world.director().machine().sysctl(SYSCTL)?;
    ensure!(
        sysctl == "0",
        "{SYSCTL} is 0 by default and is {sysctl} after the maintenance"
    );
    Ok(Outcome {
        name: strategy.name(),
        sent: parts.sent(),
        lost: parts.lost(),
        seconds_to_removal: removed.then_some(seconds),
        removed,
        parts,
    })
}

/// Debian packages a maintenance needs in the guest.
pub const PROGRAMS: &[&str] = dns::PROGRAMS;
