//! The accounting against a model that remembers every flow, and under several threads at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use ipvsdrain_ebpf::accounting::{Class, LONGEST_WINDOW, Moved, Place, RING_SECONDS, Ring, packet};
use ipvsdrain_ebpf::cell::Cell;
use ipvsdrain_ebpf::layout::{Tally, Watch};
use proptest::prelude::*;

const CLASSES: [Class; 3] = [Class::Udp, Class::TcpOpen, Class::TcpClosing];
const ONLY: Watch = Watch { slot: 7, id: 3 };

fn empty() -> Tally<Cell> {
    Tally::of(&Tally::empty(ONLY.id))
}

fn place(class: Class, second: u32) -> Place {
    Place::at(ONLY, class, second)
}

/// A packet of the one watched server; returns whether the flow is new.
fn seen(tally: &Tally<Cell>, flow: &Cell, class: Class, second: u32) -> bool {
    packet(tally, flow, place(class, second), |_| None) != Moved::Stayed
}

fn live(tally: &Tally<Cell>, class: Class, window: u32, now: u32) -> u64 {
    let ring = &tally.rings.classes[class as usize];
    Ring {
        buckets: std::array::from_fn(|bucket| ring.buckets[bucket].load()),
    }
    .live(window, now)
}

fn flow() -> Cell {
    Cell::new(Place::NOWHERE.bits())
}

#[test]
fn a_place_reads_back_as_it_was_written() {
    for watch in [
        ONLY,
        Watch { slot: 511, id: 1 },
        Watch {
            slot: 0,
            id: (1 << 21) - 1,
        },
    ] {
        for class in CLASSES {
            assert_eq!(Place::at(watch, class, u32::MAX).watch(), watch);
            assert_ne!(Place::at(watch, class, 0), Place::NOWHERE);
        }
    }
    assert_eq!(Place::NOWHERE.watch().id, 0, "which no watch has");
}

#[test]
fn a_flow_handed_to_another_server_takes_its_unit_along() {
    let (first, second) = (empty(), empty());
    let other = Watch { slot: 8, id: 4 };
    second.watch.store(4);
    let tallies = |slot| {
        [(7, &first), (8, &second)]
            .into_iter()
            .find(|(at, _)| *at == slot)
            .map(|(_, tally)| tally)
    };
    let flow = flow();
    assert_eq!(
        packet(&first, &flow, place(Class::Udp, 50), tallies),
        Moved::Started
    );
    let there = Place::at(other, Class::Udp, 51);
    assert_eq!(packet(&second, &flow, there, tallies), Moved::CameFrom(7));
    assert_eq!(live(&first, Class::Udp, 100, 51), 0);
    assert_eq!(live(&second, Class::Udp, 100, 51), 1);
    // A watch that is over has nothing to give back: its rings were cleared for another.
    second.watch.store(5);
    assert_eq!(
        packet(&first, &flow, place(Class::Udp, 52), tallies),
        Moved::Returned
    );
    assert_eq!(live(&first, Class::Udp, 100, 52), 1);
}

#[test]
fn a_flow_is_live_until_its_window_ends_and_not_a_second_longer() {
    let (tally, flow) = (empty(), flow());
    assert!(seen(&tally, &flow, Class::Udp, 1000));
    assert_eq!(live(&tally, Class::Udp, 10, 1009), 1);
    assert_eq!(live(&tally, Class::Udp, 10, 1010), 0);
    assert_eq!(live(&tally, Class::Udp, 1, 1000), 1);
    assert_eq!(live(&tally, Class::Udp, 1, 1001), 0);
    assert_eq!(live(&tally, Class::Udp, 0, 1000), 0);
}

#[test]
fn the_longest_window_is_kept_and_a_longer_one_is_cut() {
    let (tally, flow) = (empty(), flow());
    seen(&tally, &flow, Class::TcpOpen, 5);
    let edge = 5 + LONGEST_WINDOW;
    assert_eq!(live(&tally, Class::TcpOpen, LONGEST_WINDOW, edge - 1), 1);
    assert_eq!(live(&tally, Class::TcpOpen, u32::MAX, edge), 0);
}

#[test]
fn a_change_of_class_moves_the_flow() {
    let (tally, flow) = (empty(), flow());
    seen(&tally, &flow, Class::TcpOpen, 50);
    assert!(!seen(&tally, &flow, Class::TcpClosing, 50));
    assert_eq!(live(&tally, Class::TcpOpen, 100, 50), 0);
    assert_eq!(live(&tally, Class::TcpClosing, 100, 50), 1);
}

#[test]
fn a_flow_that_returns_after_the_ring_went_round_counts_once() {
    for silence in [
        LONGEST_WINDOW,
        LONGEST_WINDOW + 1,
        RING_SECONDS - 1,
        RING_SECONDS,
        RING_SECONDS + 1,
        10_000,
    ] {
        let (tally, flow) = (empty(), flow());
        seen(&tally, &flow, Class::Udp, 7);
        seen(&tally, &flow, Class::Udp, 7 + silence);
        assert_eq!(
            live(&tally, Class::Udp, LONGEST_WINDOW, 7 + silence),
            1,
            "after {silence} s"
        );
    }
}

#[test]
fn tcp_is_open_in_the_states_the_kernel_counts_as_active() {
    let open: Vec<u16> = (0..=11)
        .filter(|state| Class::of(6, *state) == Class::TcpOpen)
        .collect();
    assert_eq!(open, [1, 2, 3, 10], "ESTABLISHED, SYN_SENT, SYN_RECV, SYNACK");
    assert_eq!(Class::of(17, 1), Class::Udp);
    let open: Vec<u16> = (0..20)
        .filter(|state| Class::of(132, *state) == Class::TcpOpen)
        .collect();
    assert_eq!(open, [1, 2, 3, 4, 5, 6, 7, 8], "from INIT1 to ESTABLISHED");
    assert_eq!(Class::of(132, 9), Class::TcpClosing);
    assert_eq!(Class::of(50, 1), Class::Udp, "ESP");
}

/// Several CPUs move the same few flows through many seconds; in the end each flow lies in exactly one bucket.
///
/// A thread can be put off the CPU at any point, and a probe cannot, so a second lasts until no thread is still busy
/// with one that ended long ago: that is what the ring relies on.
#[test]
fn no_unit_is_lost_or_doubled_between_cpus() {
    const CPUS: usize = 4;
    const FLOWS: usize = 3;
    const SECONDS: u32 = 2000;
    /// A place is never written to this many seconds after its own.
    const LATEST: u32 = RING_SECONDS - LONGEST_WINDOW - 2;
    let tally = empty();
    let flows: [Cell; FLOWS] = std::array::from_fn(|_| flow());
    let clock = AtomicU32::new(0);
    let busy_with: [AtomicU32; CPUS] = std::array::from_fn(|_| AtomicU32::new(0));
    std::thread::scope(|scope| {
        for (cpu, own) in (0..).zip(&busy_with) {
            let (tally, flows, clock, busy_with) = (&tally, &flows, &clock, &busy_with);
            scope.spawn(move || {
                let mut step: u32 = cpu;
                loop {
                    let now = clock.load(Ordering::SeqCst);
                    if now >= SECONDS {
                        own.store(u32::MAX, Ordering::SeqCst);
                        return;
                    }
                    own.store(now, Ordering::SeqCst);
                    step = step.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let class = CLASSES[(step >> 16) as usize % 3];
                    seen(tally, &flows[(step >> 24) as usize % FLOWS], class, now);
                    let someone_is_late = || {
                        busy_with
                            .iter()
                            .any(|second| second.load(Ordering::SeqCst).saturating_add(LATEST) <= now)
                    };
                    if !step.is_multiple_of(40) {
                        continue;
                    }
                    if someone_is_late() {
                        std::thread::yield_now();
                        continue;
                    }
                    // Fails if another thread was faster: time moves by one second at once.
                    let _ = clock.compare_exchange(now, now + 1, Ordering::SeqCst, Ordering::SeqCst);
                }
            });
        }
    });
    let now = clock.load(Ordering::SeqCst);
    for flow in &flows {
        seen(&tally, flow, Class::Udp, now);
    }
    let total: u64 = CLASSES
        .iter()
        .map(|class| live(&tally, *class, LONGEST_WINDOW, now))
        .sum();
    assert_eq!(total, FLOWS as u64);
}

/// One packet: which flow, its class, how far time moves before it, and how late this CPU's clock reading is.
fn packets() -> impl Strategy<Value = Vec<(u8, usize, u32, u32)>> {
    let pause = prop_oneof![6 => 0..3_u32, 3 => 3..60_u32, 1 => 240..300_u32];
    prop::collection::vec((0..20_u8, 0..3_usize, pause, 0..2_u32), 0..400)
}

proptest! {
    #[test]
    fn live_flows_equal_the_model(start in 1..5000_u32, packets in packets(), window in 0..=LONGEST_WINDOW, after in 0..300_u32) {
        let tally = empty();
        let mut flows: HashMap<u8, Cell> = HashMap::new();
        let mut model: HashMap<u8, (usize, u32)> = HashMap::new();
        let mut now = start;
        for (name, class, pause, late) in packets {
            now += pause;
            let second = now - late;
            let fresh = seen(&tally, flows.entry(name).or_insert_with(flow), CLASSES[class], second);
            prop_assert_eq!(fresh, model.insert(name, (class, second)).is_none());
        }
        for now in [now, now + after] {
            for (index, class) in CLASSES.iter().enumerate() {
                let expected = model.values().filter(|(at, second)| *at == index && now - second < window).count();
                prop_assert_eq!(live(&tally, *class, window, now), expected as u64);
            }
        }
    }
}
