//! `operator`: every verb of the command line, run as an operator runs it, against a real daemon on a real kernel. One
//! host is a real server of two services. After each verb its exit code, its words and the kernel's table are compared.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use crate::clock;
use crate::daemon::{ClientEnd, Daemon};
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, Place, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "operator",
    about: "plan, drain, wait, status, flows, explain, history and restore say what is so, and do that and nothing more",
    programs: &[],
    observes: true,
    run,
};

const SYSLOG: u16 = 514;
const DNS: u16 = 53;
const HOST: &str = "10.1.0.5";
/// How long its clients keep the host from being empty.
const LASTS: Duration = Duration::from_secs(40);
const LIMIT: Duration = Duration::from_mins(5);

fn run(_stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 3)?;
    let mut shown = Vec::new();
    let bench = Bench::new(&world)?;
    let mut traffic = Traffic::new(&world);
    for port in [SYSLOG, DNS] {
        traffic.receive_udp(port, Replies::None)?;
    }
    let daemon = Daemon::start(&world, &[])?;
    let say = |words: &[&str]| daemon.says(words);

    before(&bench, &say).context("before anything is drained")?;
    traffic.send_udp(SYSLOG, Replies::None, flows())?;
    clock::pass(Duration::from_secs(2));
    shown.push(refused(&bench, &say).context("what is refused changes nothing")?);
    shown.push(drained(&bench, &daemon, &say).context("the host is drained from both services")?);
    shown.push(back(&bench, &say).context("the host comes back")?);
    told(&say).context("history")?;
    drop(daemon);
    let account = traffic.finish()?;
    ensure!(account.lost() == 0, "datagrams were lost: {account:?}");
    Ok(json!({"shown": shown}))
}

/// A few clients that never change their port, and stop after a while.
fn flows() -> Vec<UdpFlow> {
    let flow = |number: u16| UdpFlow {
        starts: Duration::ZERO,
        lasts: Some(LASTS + Duration::from_secs(u64::from(number))),
        every: Duration::from_millis(500),
        source_port: Some(41_000 + number),
    };
    (0..6).map(flow).collect()
}

/// Two services that share three hosts.
struct Bench<'world> {
    world: &'world World,
    /// Of the host that is to be drained.
    places: [Place; 2],
    table: String,
}

impl<'world> Bench<'world> {
    fn new(world: &'world World) -> Result<Self> {
        let mut places = Vec::new();
        for port in [SYSLOG, DNS] {
            let servers = world.servers().map(|(_, machine)| machine.address());
            let service =
                world
                    .director()
                    .balance(Protocol::Udp, port, "rr", Forwarding::DirectRoute, servers)?;
            places.push(world.place(service, Server(1), port));
        }
        let places = [places[0], places[1]];
        Ok(Self {
            world,
            places,
            table: world.director().saved()?,
        })
    }

    fn is_untouched(&self) -> Result<()> {
        let now = self.world.director().saved()?;
        // Servers that left and came back stand elsewhere in it.
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        ensure!(
            sorted(&now) == sorted(&self.table),
            "the table is not as it was\nbefore:\n{}\nnow:\n{now}",
            self.table
        );
        Ok(())
    }

    fn weights(&self) -> Result<[Option<i32>; 2]> {
        let weight = |place| anyhow::Ok(self.world.director().row(place)?.map(|row| row.weight));
        let [first, second] = self.places;
        Ok([weight(first)?, weight(second)?])
    }
}

/// An exit code, and words that must be said.
fn expect(end: &ClientEnd, code: i32, words: &[&str]) -> Result<()> {
    ensure!(
        end.code == Some(code),
        "exit {} instead of {code}: {}",
        end.exit(),
        end.said
    );
    for word in words {
        ensure!(end.said.contains(word), "`{word}` is not said: {}", end.said);
    }
    Ok(())
}

type Say<'a> = dyn Fn(&[&str]) -> Result<ClientEnd> + 'a;

fn before(bench: &Bench<'_>, say: &Say<'_>) -> Result<()> {
    let [syslog, _] = bench
        .places
        .map(|place| [place.service.to_string(), place.server.to_string()]);
    expect(
        &say(&["plan", &syslog[0], &syslog[1]])?,
        0,
        &["would begin", "2 of 3", "no deadline"],
    )?;
    let plan = say(&["plan", "--server", HOST, "--json"])?;
    expect(&plan, 0, &["\"plans\""])?;
    let plan: Value = serde_json::from_str(plan.said.lines().next().unwrap_or_default())?;
    ensure!(
        plan["plans"].as_array().is_some_and(|plans| plans.len() == 2),
        "two services: {plan}"
    );
    expect(
        &say(&["drain", "--server", HOST, "--dry-run"])?,
        0,
        &["would begin"],
    )?;
    expect(&say(&["explain", &syslog[0], &syslog[1]])?, 0, &["Pooled: "])?;
    expect(&say(&["status"])?, 0, &["pooled"])?;
    expect(&say(&["history"])?, 0, &["BEGAN"])?;
    expect(&say(&["flows", &syslog[0], &syslog[1]])?, 1, &["not observed"])?;
    expect(
        &say(&["wait", &syslog[0], &syslog[1]])?,
        1,
        &["there is no drain"],
    )?;
    bench.is_untouched()
}

/// What must not begin, and does not.
fn refused(bench: &Bench<'_>, say: &Say<'_>) -> Result<String> {
    expect(&say(&["drain", "--server", HOST])?, 2, &["--yes"])?;
    expect(
        &say(&["drain", "--server", "10.1.0.50"])?,
        2,
        &["the nearest are 10.1.0.5"],
    )?;
    expect(
        &say(&["wait", "--server", HOST])?,
        2,
        &["there is no drain to wait for"],
    )?;
    expect(
        &say(&["restore", "--server", HOST])?,
        2,
        &["there is no drain to undo"],
    )?;
    // With the other servers of one service at weight 0, the host may not leave it, nor the other one for that.
    let others = [2, 3].map(|number| bench.world.place(bench.places[1].service, Server(number), DNS));
    for other in others {
        bench.world.director().set_weight(other, 0)?;
    }
    let plan = say(&["plan", "--server", HOST])?;
    expect(&plan, 4, &["would be refused", "is needed in", "would begin"])?;
    let order = say(&["drain", "--server", HOST, "--yes"])?;
    expect(
        &order,
        4,
        &["nothing was changed", "1 of 2 would be refused", "is needed in"],
    )?;
    for other in others {
        bench.world.director().set_weight(other, 1)?;
    }
    bench.is_untouched()?;
    Ok(plan.said)
}

fn drained(bench: &Bench<'_>, daemon: &Daemon<'_>, say: &Say<'_>) -> Result<String> {
    let [syslog, dns] = bench
        .places
        .map(|place| [place.service.to_string(), place.server.to_string()]);
    let pending = daemon.asks(&[
        "drain",
        "--server",
        HOST,
        "--yes",
        "--wait",
        "--reason",
        "kernel update",
    ])?;
    let deadline = clock::now() + Duration::from_mins(1);
    // A third of six clients talks to it; each is seen at its next datagram.
    let live = || daemon.drain(bench.places[0]).ok()?.live.map(|live| live.udp);
    while bench.weights()? != [Some(0), Some(0)] || live() != Some(2) {
        ensure!(
            clock::now() < deadline,
            "weights {:?}, live flows {:?}: {}",
            bench.weights()?,
            live(),
            daemon.log()
        );
        clock::pass(Duration::from_millis(200));
    }
    expect(&say(&["status"])?, 0, &["draining", "probes"])?;
    expect(
        &say(&["flows", &syslog[0], &syslog[1]])?,
        0,
        &["10.9.0.2:4100", "pinned"],
    )?;
    expect(
        &say(&["explain", &syslog[0], &syslog[1]])?,
        0,
        &[
            "is draining",
            "kernel update",
            "Live: 2 UDP flows",
            "Next: once no flow is live",
        ],
    )?;
    expect(&say(&["history"])?, 0, &["kernel update", "not over yet"])?;
    expect(&say(&["plan", &syslog[0], &syslog[1]])?, 4, &["already draining"])?;
    expect(
        &say(&["wait", "--server", HOST, "--timeout", "1s"])?,
        3,
        &["still draining"],
    )?;
    let waiting = daemon.asks(&["wait", "--server", HOST])?;
    let ended = pending.ended(LIMIT)?;
    expect(
        &ended,
        0,
        &["removed: ", "0 packets lost", &syslog[0], &dns[0], "live flows"],
    )?;
    ensure!(
        bench.weights()? == [None, None],
        "both are gone: {:?}",
        bench.weights()?
    );
    expect(&waiting.ended(LIMIT)?, 0, &["0 packets lost"])?;
    expect(&say(&["wait", &dns[0], &dns[1]])?, 0, &["removed: "])?;
    expect(
        &say(&["explain", &dns[0], &dns[1]])?,
        0,
        &["Ended: removed", "ipvsdrain restore"],
    )?;
    expect(&say(&["drain", &dns[0], &dns[1]])?, 1, &["is not behind"])?;
    Ok(ended.said)
}

fn back(bench: &Bench<'_>, say: &Say<'_>) -> Result<String> {
    expect(&say(&["restore", "--server", HOST])?, 2, &["--yes"])?;
    let restored = say(&["restore", "--server", HOST, "--yes"])?;
    expect(&restored, 0, &["restored: "])?;
    bench.is_untouched()?;
    expect(
        &say(&["restore", "--server", HOST, "--yes"])?,
        2,
        &["there is no drain to undo"],
    )?;
    Ok(restored.said)
}

fn told(say: &Say<'_>) -> Result<()> {
    expect(
        &say(&["history", "--server", "10.1.0.5:53"])?,
        0,
        &["kernel update", "restored"],
    )?;
    let history = say(&["history", "--since", "1h", "--json"])?;
    let history: Value = serde_json::from_str(history.said.lines().next().unwrap_or_default())?;
    let drains = history["drains"].as_array().context("no drains")?;
    ensure!(drains.len() == 2, "two drains were asked for: {history}");
    expect(&say(&["history", "--limit", "0"])?, 2, &["--limit"])
}
