//! `many-flows`: a flood of flows in one quiet window is counted exactly, and asking for the count costs the same
//! however many there are.
//!
//! 200,000 flows unless the option `flows` says otherwise; a million need `--memory 2048` and minutes. Also told, not
//! judged: what a tracked flow takes of the kernel's memory ([`slab`]), and what sweeping over all flows costs.

mod slab;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use ipvsdrain::observe::{Observer, QuietWindows, Reading, Sources};
use serde_json::{Value, json};

use self::slab::Slabs;
use crate::clock;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Flood, MOST_FLOWS};
use crate::world::{Forwarding, Place, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "many-flows",
    about: "200,000 flows in one window are counted exactly, and reading their count costs what 1,000 cost",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 5300;
const FLOWS: u32 = 200_000;
const FEW: u32 = 1_000;
/// How much dearer a reading may be with all flows than with few: none, but for what timer interrupts add.
const MOST_DEARER: f64 = 1.2;
const READINGS: u32 = 100;
const ROUNDS: usize = 5;
const NANOS_PER_INSTRUCTION: f64 = 2.0;
const QUIET: QuietWindows = QuietWindows {
    udp: QuietWindows::LONGEST,
    tcp: QuietWindows::LONGEST,
    closing: QuietWindows::LONGEST,
};

fn run(stage: &mut Stage) -> Result<Value> {
    let flows = wanted(stage.options())?;
    let world = World::build(Forwarding::DirectRoute, 1)?;
    let director = world.director();
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = director.balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let sources = Sources {
        flow_capacity: Some(2 * flows),
        ..Sources::default()
    };
    let mut bench = Bench {
        place: world.place(service, Server(1), PORT),
        flood: Flood::open(&world, PORT)?,
        observer: director.machine().within(|| Observer::prepare(&sources))?,
        world: &world,
    };
    bench.observer.watch(&bench.place.service, &bench.place.server)?;

    bench.flood.send(0..FEW)?;
    bench.counted(FEW)?;
    let few = bench.reading_instructions()?;

    let before = Slabs::read()?;
    let began = clock::now();
    for thousand in 1..flows / FEW {
        bench.flood.send(thousand * FEW..(thousand + 1) * FEW)?;
        if thousand % 50 == 0 {
            stage.progress(json!({"sent": bench.flood.sent()}));
        }
    }
    let flood_seconds = clock::now().since(began).as_secs_f64();
    let grown = Slabs::read()?.grown_since(&before);
    bench.counted(flows)?;
    let many = bench.reading_instructions()?;
    ensure!(
        many < MOST_DEARER * few,
        "a reading costs {few:.0} instructions with {FEW} flows and {many:.0} with {flows}"
    );
    let sweep = bench.sweep_instructions()? / f64::from(flows);

    clock::pass(QuietWindows::LONGEST);
    let silent = bench.read()?;
    ensure!(
        (silent.live_udp, silent.forwarded) == (0, u64::from(flows)),
        "after a whole silent window none of {flows} is live: {silent:?}"
    );
    Ok(json!({
        "flows": flows,
        "flood_seconds": flood_seconds,
        "reading_instructions": {"with_1000": few.round(), "with_all": many.round()},
        "sweep_instructions_per_flow": sweep.round(),
        "kernel_bytes_per_tracked_flow": grown.per_unit(flows - FEW),
    }))
}

/// How many flows are asked for, in whole thousands.
fn wanted(options: &Value) -> Result<u32> {
    let asked = match &options["flows"] {
        Value::Null => FLOWS,
        asked => asked
            .as_u64()
            .and_then(|asked| u32::try_from(asked).ok())
            .context("the option `flows` is not a number")?,
    };
    ensure!(
        asked.is_multiple_of(FEW) && (2 * FEW..=MOST_FLOWS).contains(&asked),
        "the option `flows` is {asked}: whole thousands from {} to {MOST_FLOWS} can be had",
        2 * FEW
    );
    Ok(asked)
}

/// One watched server under a flood.
struct Bench<'world> {
    world: &'world World,
    place: Place,
    flood: Flood,
    observer: Observer,
}

impl Bench<'_> {
    fn read(&self) -> Result<Reading> {
        let (service, server) = (&self.place.service, &self.place.server);
        Ok(self.observer.read(service, server, &QUIET, clock::now())?)
    }

    /// The client, the server, the kernel's table and the observer tell one number.
    fn counted(&self, flows: u32) -> Result<()> {
        let reading = self.read()?;
        let entries = self
            .world
            .director()
            .row(self.place)?
            .with_context(|| format!("{} is not in the table", self.place))?
            .inactive;
        let flows = u64::from(flows);
        let told = [
            ("sent", self.flood.sent()),
            ("received by the server", self.flood.received(Server(1))),
            ("entries in the kernel's table", u64::from(entries)),
            ("live flows", reading.live_udp),
            ("packets forwarded", reading.forwarded),
        ];
        for (what, count) in told {
            ensure!(count == flows, "{count} {what}, not {flows}: {reading:?}");
        }
        ensure!(
            (reading.untracked, reading.mistaken, reading.replied) == (0, 0, 0),
            "not all was understood: {reading:?}"
        );
        Ok(())
    }

    /// Instructions per reading: the least of several rounds, since interrupts fall into some of them.
    fn reading_instructions(&self) -> Result<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..ROUNDS {
            let began = clock::now();
            for _ in 0..READINGS {
                self.read()?;
            }
            least = least.min(instructions_since(began) / f64::from(READINGS));
        }
        Ok(least)
    }

    /// Instructions of one sweep that finds nothing to forget.
    fn sweep_instructions(&mut self) -> Result<f64> {
        let began = clock::now();
        self.observer.sweep(began)?;
        Ok(instructions_since(began))
    }
}

fn instructions_since(began: ipvsdrain::moment::Moment) -> f64 {
    clock::now().since(began).as_secs_f64() * 1e9 / NANOS_PER_INSTRUCTION
}
