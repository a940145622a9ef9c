//! The accounting against a model that remembers every flow and counts by looking at each: a million random steps.
//!
//! Packets of many flows towards several watched servers, the same flow now here, now there; time that stands, walks,
//! and jumps further than the ring is long; flows that are evicted, watches that end and whose slot is taken again.

use std::collections::HashMap;

use ipvsdrain_ebpf::accounting::{Class, LONGEST_WINDOW, Place, RING_SECONDS, Ring, packet};
use ipvsdrain_ebpf::cell::Cell;
use ipvsdrain_ebpf::layout::{Tally, Watch};

const STEPS: u32 = 1_000_000;
const SERVERS: usize = 3;
const FLOWS: u64 = 60;
const CLASSES: [Class; 3] = [Class::Udp, Class::TcpOpen, Class::TcpClosing];

/// A fixed sequence: a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

/// Where the model holds a flow to be: server, class, second.
type Lies = (usize, Class, u32);

struct World {
    tallies: [Tally<Cell>; SERVERS],
    ids: [u32; SERVERS],
    flows: HashMap<u64, Cell>,
    model: HashMap<u64, Lies>,
    now: u32,
    last_id: u32,
}

impl World {
    fn new() -> Self {
        Self {
            tallies: std::array::from_fn(|server| Tally::of(&Tally::empty(server as u32 + 1))),
            ids: std::array::from_fn(|server| server as u32 + 1),
            flows: HashMap::new(),
            model: HashMap::new(),
            now: 1000,
            last_id: SERVERS as u32,
        }
    }

    fn packet(&mut self, name: u64, server: usize, class: Class, late: u32) {
        let watch = Watch {
            slot: server as u32,
            id: self.ids[server],
        };
        let second = self.now - late;
        let flow = self
            .flows
            .entry(name)
            .or_insert_with(|| Cell::new(Place::NOWHERE.bits()));
        let tallies = &self.tallies;
        packet(&tallies[server], flow, Place::at(watch, class, second), |slot| {
            tallies.get(slot as usize)
        });
        self.model.insert(name, (server, class, second));
    }

    /// What the daemon sweeps: flows that no ring remembers.
    fn evict(&mut self) {
        let now = self.now;
        let old: Vec<u64> = self
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
    fn end_watch(&mut self, server: usize, forgets: bool) {
        self.last_id += 1;
        self.ids[server] = self.last_id;
        self.tallies[server] = Tally::of(&Tally::empty(self.last_id));
        let flows = &mut self.flows;
        self.model.retain(|name, lies| {
            if lies.0 == server && forgets {
                flows.remove(name);
            }
            lies.0 != server
        });
    }

    fn check(&self, window: u32, step: u32) {
        for (server, tally) in self.tallies.iter().enumerate() {
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

#[test]
fn a_million_steps_agree_with_the_model() {
    let mut random = Random(0x1935_2bd1_77c4_e10f);
    let mut world = World::new();
    for step in 0..STEPS {
        match random.below(1000) {
            0..=899 => {
                let (name, server) = (random.below(FLOWS), random.below(SERVERS as u64) as usize);
                let class = CLASSES[random.below(3) as usize];
                // Another CPU's reading of the clock may be a second late.
                let late = u32::from(random.below(10) == 0);
                world.packet(name, server, class, late);
            }
            900..=969 => world.now += random.below(4) as u32,
            970..=984 => world.now += 200 + random.below(120) as u32,
            985 => world.now += random.below(1_000_000) as u32,
            986..=992 => world.evict(),
            993 => world.end_watch(random.below(SERVERS as u64) as usize, random.below(2) == 0),
            _ => world.check(random.below(u64::from(LONGEST_WINDOW) + 1) as u32, step),
        }
    }
    world.check(LONGEST_WINDOW, STEPS);
}
