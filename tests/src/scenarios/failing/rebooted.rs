//! `server-rebooted`: one of two recursors loses its power for a minute under load. What that costs with each way to
//! look after a pool, in one table: queries from fixed ports, and from fresh ones.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ipvsdrain::identity::Protocol;
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::witness::Witness;
use super::fresh::Fresh;
use super::ours::{self, Pace};
use super::recursor::{Listens, Recursor};
use crate::clock;
use crate::dns::Load;
use crate::ledger::Server;
use crate::peers::{Look, Peer, Running, Task, Wells};
use crate::scenario::{Findings, Scenario, Stage};
use crate::world::{Forwarding, Place, VIP, World};

pub(in crate::scenarios) const SCENARIO: Scenario = Scenario {
    name: "server-rebooted",
    about: "one of two recursors reboots under load: queries lost by ipvsdrain, and by what is used today",
    programs: &[
        "unbound/unbound",
        "dnsperf",
        "keepalived/keepalived",
        "ldirectord/ldirectord",
        "bind9-dnsutils/dig",
    ],
    observes: true,
    run,
};

const PORT: u16 = 53;
const SERVERS: u16 = 2;
const REBOOTED: Server = Server(1);
/// Each keeps its source port for ever; half of them are the rebooted server's.
const SOCKETS: u16 = 8;
const FIXED_PER_SECOND: u32 = 40;
const FRESH_EVERY: Duration = Duration::from_millis(50);
const BEFORE: Duration = Duration::from_secs(10);
const OFF: Duration = Duration::from_mins(1);
const AFTER: Duration = Duration::from_secs(40);
/// A server that is to be in the pool again is by then.
const SETTLING: Duration = Duration::from_mins(1);
const PACE: Pace = Pace {
    interval: Duration::from_secs(1),
    timeout: Duration::from_millis(500),
    remove_after: Duration::from_secs(2),
};

/// Who looks after the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Peer(Peer),
    Ipvsdrain,
}

impl Way {
    fn all() -> Vec<Way> {
        let peers = Peer::ON_FAILURE.into_iter().map(Way::Peer);
        peers.chain([Way::Ipvsdrain]).collect()
    }

    const fn name(self) -> &'static str {
        match self {
            Way::Peer(peer) => peer.name(),
            Way::Ipvsdrain => "ipvsdrain",
        }
    }
}

/// What a reboot cost.
#[derive(Debug, Serialize)]
struct Cost {
    way: &'static str,
    fixed_sent: u64,
    fixed_lost: u64,
    fresh_sent: u64,
    fresh_lost: u64,
    /// The weights of the rebooted server, `-` while it was out of the table.
    weights: String,
    seconds_to_weight_zero: Option<f64>,
}

fn run(stage: &mut Stage) -> Result<Value> {
    let mut costs = Vec::new();
    for way in Way::all() {
        stage.progress(json!({"way": way.name()}));
        let cost = reboot(way).with_context(|| way.name())?;
        stage.progress(json!(cost));
        costs.push(cost);
    }
    let bound = Bound::of(PACE);
    stage.progress(json!({"by_the_formula": bound}));
    let value = json!({"costs": costs, "bound": bound, "table": table(&costs, &bound)});
    match judge(&costs, &bound) {
        Ok(()) => Ok(value),
        Err(error) => bail!(Findings {
            value,
            summary: format!("{error:#}"),
        }),
    }
}

fn reboot(way: Way) -> Result<Cost> {
    let world = World::build(Forwarding::DirectRoute, SERVERS)?;
    let mut first = Recursor::start(&world, REBOOTED, PORT, Listens::Both)?;
    let _second = Recursor::start(&world, Server(2), PORT, Listens::Both)?;
    let wells = Wells::new(&world)?;
    let folder = TempDir::new().context("cannot make a folder")?;
    let task = Task::udp(PORT, Look::Dns);
    let service = format!("udp:{VIP}:{PORT}").parse()?;
    let place = world.place(service, REBOOTED, PORT);
    if !matches!(way, Way::Peer(peer) if peer.makes_service()) {
        let addresses = world.servers().map(|(_, machine)| machine.address());
        world
            .director()
            .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    }
    let (daemon, peer) = match way {
        Way::Peer(peer) => (None, Some(Running::start(peer, &task, &world, &wells)?)),
        Way::Ipvsdrain => (Some(ours::with_dns(&world, folder.path(), PORT, PACE)?), None),
    };
    let log = || match (&daemon, &peer) {
        (Some(daemon), _) => daemon.log(),
        (_, Some(peer)) => peer.log(),
        _ => String::new(),
    };
    await_pool(&world, &service_places(&world, place)).with_context(log)?;
    let witness = Witness::start(world.director().machine())?;
    let fixed = Load::start(&world, PORT, SOCKETS, FIXED_PER_SECOND)?;
    let fresh = Fresh::start(&world, PORT, FRESH_EVERY)?;
    clock::pass(BEFORE);

    let off_at = clock::now();
    world.plug(REBOOTED, false)?;
    first.kill()?;
    clock::pass(OFF);
    world.plug(REBOOTED, true)?;
    first.launch(&world)?;
    clock::pass(AFTER);
    let fixed = fixed.finish()?;
    let fresh = fresh.finish()?;
    await_pool(&world, &service_places(&world, place)).with_context(log)?;
    Ok(Cost {
        way: way.name(),
        fixed_sent: fixed.sent,
        fixed_lost: fixed.lost,
        fresh_sent: fresh.sent,
        fresh_lost: fresh.lost,
        weights: witness.weights(place),
        seconds_to_weight_zero: witness
            .quiesced_at(place)
            .map(|at| at.since(off_at).as_secs_f64()),
    })
}

fn service_places(world: &World, place: Place) -> Vec<Place> {
    let servers = world.servers();
    servers
        .map(|(server, _)| world.place(place.service, server, PORT))
        .collect()
}

/// Waits until all of them are in the table with a weight.
fn await_pool(world: &World, places: &[Place]) -> Result<()> {
    let deadline = clock::now() + SETTLING;
    loop {
        let table = world.director().table()?;
        let is_in = |place: &Place| table.iter().any(|row| row.place == *place && row.weight > 0);
        if places.iter().all(is_in) {
            return Ok(());
        }
        ensure!(
            clock::now() < deadline,
            "not all servers are in the pool after {SETTLING:?}: {table:?}"
        );
        clock::pass(Duration::from_millis(200));
    }
}

/// What ipvsdrain may lose by the formula: what is sent to the dead server until it gets no new flows, and of its old
/// flows until they are scheduled anew.
#[derive(Debug, Serialize)]
struct Bound {
    seconds_to_weight_zero: f64,
    seconds_to_removal: f64,
    fresh: f64,
    fixed: f64,
}

impl Bound {
    fn of(pace: Pace) -> Self {
        let share = 1.0 / f64::from(SERVERS);
        let (zero, removal) = (
            pace.to_weight_zero().as_secs_f64(),
            pace.to_removal().as_secs_f64(),
        );
        Self {
            seconds_to_weight_zero: zero,
            seconds_to_removal: removal,
            fresh: (share * zero / FRESH_EVERY.as_secs_f64()).ceil(),
            fixed: (share * removal * f64::from(FIXED_PER_SECOND)).ceil(),
        }
    }
}

fn table(costs: &[Cost], bound: &Bound) -> String {
    let mut lines = vec![format!(
        "{:32} {:>18} {:>18}  weights of the rebooted server",
        "queries lost of those sent from", "fixed ports", "fresh ports"
    )];
    for cost in costs {
        let of = |lost: u64, sent: u64| format!("{lost} of {sent}");
        lines.push(format!(
            "{:32} {:>18} {:>18}  {}",
            cost.way,
            of(cost.fixed_lost, cost.fixed_sent),
            of(cost.fresh_lost, cost.fresh_sent),
            cost.weights
        ));
    }
    lines.push(format!(
        "{:32} {:>18} {:>18}  weight 0 within {:.1} s, removed within {:.1} s",
        "ipvsdrain, by the formula",
        format!("at most {}", bound.fixed),
        format!("at most {}", bound.fresh),
        bound.seconds_to_weight_zero,
        bound.seconds_to_removal
    ));
    lines.join("\n")
}

fn judge(costs: &[Cost], bound: &Bound) -> Result<()> {
    for cost in costs {
        ensure!(
            cost.fixed_sent > 1000 && cost.fresh_sent > 1000,
            "{}: too few queries to prove anything: {cost:?}",
            cost.way
        );
    }
    let ours = costs.last().context("ipvsdrain was run")?;
    #[allow(clippy::cast_precision_loss, reason = "thousands")]
    let (fixed, fresh) = (ours.fixed_lost as f64, ours.fresh_lost as f64);
    ensure!(
        fixed <= bound.fixed && fresh <= bound.fresh,
        "ipvsdrain lost more than the formula allows: {ours:?}, {bound:?}"
    );
    ensure!(
        ours.weights == "1 0 - 1",
        "the rebooted server was to be quiesced, removed and put back: {}",
        ours.weights
    );
    for peer in &costs[..costs.len() - 1] {
        ensure!(
            ours.fixed_lost < peer.fixed_lost,
            "{} lost no more than ipvsdrain: {peer:?}",
            peer.way
        );
    }
    Ok(())
}
