//! The accounting against a model that remembers every flow and counts by looking at each: a million random steps.
//!
//! Packets of many flows towards several watched servers, the same flow now here, now there; time that stands, walks,
//! and jumps further than the ring is long; flows that are evicted, watches that end and whose slot is taken again.

use std::collections::HashMap;

use ipvsdrain_ebpf::accounting::{Class, LONGEST_WINDOW, Place, RING_SECONDS, Ring, packet};
use ipvsdrain_ebpf::cell::Cell;
use ipvsdrain_ebpf::layout::{Tally, Watch};

const STEPS: u32 = 1_000_000;
const SERVERS: u8 = 3;
const FLOWS: u32 = 60;
const CLASSES: [Class; 3] = [Class::Udp, Class::TcpOpen, Class::TcpClosing];

/// A fixed sequence: a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % u64::from(limit);
        u32::try_from(mixed).expect("less than a number of 32 bits")
    }

    fn server(&mut self) -> u8 {
        u8::try_from(self.below(SERVERS.into())).expect("less than a number of 8 bits")
    }

    fn class(&mut self) -> Class {
        match self.below(3) {
            0 => Class::Udp,
            1 => Class::TcpOpen,
            _ => Class::TcpClosing,
        }
    }
}

/// Where the model holds a flow to be: server, class, second.
type Lies = (u8, Class, u32);

struct World {
    /// By slot, each with the id of its watch.
    tallies: Vec<(u32, Tally<Cell>)>,
    flows: HashMap<u32, Cell>,
    model: HashMap<u32, Lies>,
    now: u32,
    last_id: u32,
}

impl World {
    fn new() -> Self {
        Self {
            tallies: (1..=SERVERS).map(|id| fresh(id.into())).collect(),
            flows: HashMap::new(),
            model: HashMap::new(),
            now: 1000,
            last_id: SERVERS.into(),
        }
    }

    fn packet(&mut self, name: u32, server: u8, class: Class, late: u32) {
        let (id, own) = &self.tallies[usize::from(server)];
        let watch = Watch {
            slot: server.into(),
            id: *id,
        };
        let second = self.now - late;
        let flow = self
            .flows
            .entry(name)
            .or_insert_with(|| Cell::new(Place::NOWHERE.bits()));
        packet(own, flow, Place::at(watch, class, second), |slot| {
            self.tallies.get(slot as usize).map(|(_, tally)| tally)
        });
        self.model.insert(name, (server, class, second));
    }

    /// What the daemon sweeps: flows that no ring remembers.
    fn evict(&mut self) {
        let now = self.now;
        let old: Vec<u32> = self
            .model
            .iter()
            .filter(|(_, lies)| now - lies.2 > RING_SECONDS)
            .map(|(name, _)| *name)
            .collect();
        for name in old {
            self.flows.remove(&name);
            self.model.remove(&name);
        }
    }

    /// The watch of `server` ends and another takes its slot. `forgets`: its flows are deleted; else some linger.
    fn end_watch(&mut self, server: u8, forgets: bool) {
        self.last_id += 1;
        self.tallies[usize::from(server)] = fresh(self.last_id);
        let flows = &mut self.flows;
        self.model.retain(|name, lies| {
            if lies.0 == server && forgets {
                flows.remove(name);
            }
            lies.0 != server
        });
    }

    fn check(&self, window: u32, step: u32) {
        for (server, (_, tally)) in (0..).zip(&self.tallies) {
            for class in CLASSES {
                let ring = &tally.rings.classes[class as usize];
                let copy = Ring {
                    buckets: std::array::from_fn(|bucket| ring.buckets[bucket].load()),
                };
                let lives = |lies: &&Lies| lies.0 == server && lies.1 == class && self.now - lies.2 < window;
                let expected = self.model.values().filter(lives).count() as u64;
                assert_eq!(
                    copy.live(window, self.now),
                    expected,
                    "step {step}: server {server}, {class:?}, window {window} s, at {} s",
                    self.now
                );
            }
        }
    }
}

fn fresh(id: u32) -> (u32, Tally<Cell>) {
    (id, Tally::of(&Tally::empty(id)))
}

#[test]
fn a_million_steps_agree_with_the_model() {
    let mut random = Random(0x1935_2bd1_77c4_e10f);
    let mut world = World::new();
    for step in 0..STEPS {
        match random.below(1000) {
            0..=899 => {
                let (name, server, class) = (random.below(FLOWS), random.server(), random.class());
                // Another CPU's reading of the clock may be a second late.
                let late = u32::from(random.below(10) == 0);
                world.packet(name, server, class, late);
            }
            900..=969 => world.now += random.below(4),
            970..=984 => world.now += 200 + random.below(120),
            985 => world.now += random.below(1_000_000),
            986..=992 => world.evict(),
            993 => world.end_watch(random.server(), random.below(2) == 0),
            _ => world.check(random.below(LONGEST_WINDOW + 1), step),
        }
    }
    world.check(LONGEST_WINDOW, STEPS);
}
