//! `metrics-at-scale`: 1,000 services with 10,000 real servers. All are shown. With the option `{"measure": true}` it is also
//! told, and not judged, how long a scrape takes, how large it is, and what a minute costs the daemon, scraped or not;
//! that takes many minutes.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::{Protocol, RealServer, VirtualService};
use nix::unistd::{SysconfVar, sysconf};
use serde_json::{Value, json};

use super::METRICS;
use super::http::{Answer, get};
use crate::clock;
use crate::daemon::Daemon;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, Place, World};

pub(in crate::scenarios) const SCENARIO: Scenario = Scenario {
    name: "metrics-at-scale",
    about: "10,000 real servers in 1,000 services are all shown to whoever scrapes",
    programs: &[],
    observes: false,
    run,
};

const SERVICES: usize = 1_000;
const SERVERS: usize = 10_000;
/// The median is of so many.
const SCRAPES: usize = 5;
const MINUTE: Duration = Duration::from_mins(1);
/// A minute of scrapes each second would take half an hour under emulation.
const MOMENT: Duration = Duration::from_secs(10);
const FORMATS: [(&str, &str); 2] = [
    ("text", ""),
    (
        "openmetrics",
        "Accept: application/openmetrics-text; version=1.0.0\r\n",
    ),
];

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 1)?;
    world.director().restore(&table())?;
    let daemon = Daemon::start(&world, &[])?;
    let mut told = serde_json::Map::new();
    let measures = stage.options()["measure"] == true;
    let scrapes = if measures { SCRAPES } else { 1 };

    let scrape = |headers: &str| {
        world
            .director()
            .machine()
            .within(|| get(METRICS, "/metrics", headers))
    };
    for (name, headers) in FORMATS {
        let figures = scraped(&scrape, headers, scrapes).context(name)?;
        stage.progress(json!({name: figures}));
        told.insert(name.to_owned(), figures);
    }
    let packed = scrape("Accept-Encoding: gzip\r\n")?;
    ensure!(packed.body.starts_with(&[0x1f, 0x8b]), "it is not packed");
    let figures = json!({"bytes": packed.body.len(), "guest_ms": millis(packed.took.as_secs_f64())});
    told.insert("gzip".to_owned(), figures);
    if !measures {
        return Ok(Value::Object(told));
    }
    let bench = Bench {
        world: &world,
        daemon: &daemon,
    };
    for (name, every, span) in [
        ("idle", None, MINUTE),
        ("each 15 s", Some(15), MINUTE),
        ("each second", Some(1), MOMENT),
    ] {
        let figures = bench.cost(every, span)?;
        stage.progress(json!({name: figures}));
        told.insert(name.to_owned(), figures);
    }
    // A watch costs what it costs; this is what the table beside it does to a drain.
    let place = first();
    let pending = daemon.begin_drain(place, &["--udp-quiet", "240s"])?;
    await_weight_zero(&world, &daemon, place)?;
    for (name, every) in [("a drain, idle", None), ("a drain, each 15 s", Some(15))] {
        let figures = bench.cost(every, MINUTE)?;
        stage.progress(json!({name: figures}));
        told.insert(name.to_owned(), figures);
    }
    drop(pending);
    Ok(Value::Object(told))
}

fn table() -> String {
    let mut lines = String::new();
    for service in 0..SERVICES {
        let (high, low) = (service / 250, service % 250 + 1);
        let _ = writeln!(lines, "-A -u 10.20.{high}.{low}:53 -s rr");
        for server in 0..SERVERS / SERVICES {
            let _ = writeln!(
                lines,
                "-a -u 10.20.{high}.{low}:53 -r 10.{}.{high}.{low}:53 -g -w {}",
                30 + server,
                server + 1
            );
        }
    }
    lines
}

fn first() -> Place {
    Place {
        service: VirtualService::Address {
            protocol: Protocol::Udp,
            addr: ([10, 20, 0, 1], 53).into(),
        },
        server: RealServer(([10, 30, 0, 1], 53).into()),
    }
}

fn await_weight_zero(world: &World, daemon: &Daemon<'_>, place: Place) -> Result<()> {
    let deadline = clock::now() + Duration::from_mins(1);
    while world.director().row(place)?.map(|row| row.weight) != Some(0) {
        ensure!(
            clock::now() < deadline,
            "the drain does not begin: {}",
            daemon.log()
        );
        clock::pass(Duration::from_millis(500));
    }
    Ok(())
}

fn scraped(scrape: &dyn Fn(&str) -> Result<Answer>, headers: &str, scrapes: usize) -> Result<Value> {
    let answers = (0..scrapes)
        .map(|_| scrape(headers))
        .collect::<Result<Vec<_>>>()?;
    let mut times: Vec<_> = answers.iter().map(|answer| answer.took.as_secs_f64()).collect();
    let answer = answers.last().context("nothing was scraped")?;
    times.sort_by(f64::total_cmp);
    let shown = answer
        .text()
        .lines()
        .filter(|line| line.starts_with("ipvsdrain_server_weight{"))
        .count();
    ensure!(shown == SERVERS, "{shown} of {SERVERS} servers are shown");
    Ok(json!({
        "bytes": answer.body.len(),
        "median_guest_ms": millis(times[scrapes / 2]),
        "all_guest_ms": times.iter().copied().map(millis).collect::<Vec<_>>(),
    }))
}

fn millis(seconds: f64) -> f64 {
    (seconds * 10_000.0).round() / 10.0
}

struct Bench<'a> {
    world: &'a World,
    daemon: &'a Daemon<'a>,
}

impl Bench<'_> {
    /// What the daemon takes while it is scraped each `every` seconds, or not at all.
    fn cost(&self, every: Option<u64>, span: Duration) -> Result<Value> {
        let before = self.cpu_seconds()?;
        let began = clock::now();
        let mut scrapes = 0_u64;
        loop {
            let next = every.map_or(span, |every| Duration::from_secs(every * scrapes));
            if next >= span {
                break;
            }
            clock::pass((began + next).since(clock::now()));
            self.world
                .director()
                .machine()
                .within(|| get(METRICS, "/metrics", FORMATS[1].1))?;
            scrapes += 1;
        }
        clock::pass((began + span).since(clock::now()));
        let took = clock::now().since(began).as_secs_f64();
        let used = self.cpu_seconds()? - before;
        Ok(json!({
            "guest_seconds": took.round(),
            "scrapes": scrapes,
            "guest_cpu_seconds_per_minute": millis(used / took * 60.0) / 1000.0,
            "resident_mib": self.resident_mib()?,
        }))
    }

    fn cpu_seconds(&self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.daemon.pid());
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        let after_name = text.rsplit(") ").next().context(path)?;
        let field = |number: usize| {
            after_name
                .split(' ')
                .nth(number)
                .and_then(|field| field.parse::<u32>().ok())
        };
        // utime and stime, the 14th and 15th field of all.
        let (user, system) = field(11).zip(field(12)).context("no times in stat")?;
        let ticks = sysconf(SysconfVar::CLK_TCK)?.context("no CLK_TCK")?;
        let ticks = u32::try_from(ticks).context("CLK_TCK")?;
        Ok(f64::from(user + system) / f64::from(ticks))
    }

    fn resident_mib(&self) -> Result<f64> {
        let path = format!("/proc/{}/status", self.daemon.pid());
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context(path)?;
        let kib: u32 = line.trim().trim_end_matches(" kB").parse().context("VmRSS")?;
        Ok((f64::from(kib) / 102.4).round() / 10.0)
    }
}
