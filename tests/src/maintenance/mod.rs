//! The same maintenance in several ways: what each costs in lost requests and in time.
//!
//! Owns the traffic around a maintenance and the account of it. How a server is taken out is one file per strategy;
//! a strategy sees the director and nothing of the traffic. [`maintain`] is the demo: all kinds of traffic at once, one
//! strategy after the other. [`run_rows`] is the benchmark: one kind of traffic per row, many worlds at once.

mod cell;
mod counter_poll;
mod delete;
mod fixed_timer;
mod ipvsdrain;
mod keeper;
mod kind;
mod peer;
mod row;
mod service;
mod strategy;
mod traffic;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::clock;
use crate::world::World;
use crate::{dns, http};
pub use cell::Cost;
pub use kind::Kind;
pub use row::{FORWARDINGS, Row, Told, run as run_rows};
use service::Service;
pub use strategy::Strategy;
use traffic::MaintenanceTraffic;

/// Traffic before the maintenance begins.
const BEFORE: Duration = Duration::from_secs(10);
/// Traffic after the server is out (or was given up on): time for a black hole to show.
const AFTER: Duration = Duration::from_mins(1);

/// What decides over a deleted server's flows; every strategy works with the kernel's default.
const SYSCTL: &str = "net.ipv4.vs.expire_nodest_conn";

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
    let daemon = ipvsdrain::start(strategy, &world)?;
    let traffic = MaintenanceTraffic::start(&world)?;
    clock::pass(BEFORE);

    tell("taking server1 out");
    let begin = clock::now();
    let places = traffic.places();
    let director = world.director();
    let removed = match strategy {
        Strategy::Delete => delete::take_out(director, places)?,
        Strategy::FixedTimer(_) => fixed_timer::take_out(director, places, strategy.timer())?,
        Strategy::CounterPoll => {
            let deadline = clock::now() + counter_poll::PATIENCE;
            counter_poll::take_out(director, places, deadline)?
        }
        Strategy::Ipvsdrain | Strategy::IpvsdrainMigrate => {
            let daemon = daemon.as_ref().context("a daemon was started")?;
            ipvsdrain::take_out(director, daemon, places)?
        }
        _ => bail!("{} is no part of the demo", strategy.name()),
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

/// Debian packages the demo needs in the guest.
pub const PROGRAMS: &[&str] = dns::PROGRAMS;

/// Those of the benchmark: what serves and asks, and the programs that keep the table.
pub const BENCH_PROGRAMS: &[&str] = &[
    dns::PROGRAMS[0],
    dns::PROGRAMS[1],
    http::PROGRAMS[0],
    http::PROGRAMS[1],
    "keepalived/keepalived",
    "ldirectord/ldirectord",
];
