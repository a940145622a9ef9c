//! The quick answers: a filter that never says no wrongly, a memory that never mixes two destinations.

use ipvsdrain_ebpf::cell::Cell;
use ipvsdrain_ebpf::first_look::{Filter, Known, Look, PLACES};
use ipvsdrain_ebpf::layout::Watch;
use proptest::prelude::*;

fn shared(filter: &Filter<u64>) -> Filter<Cell> {
    Filter {
        words: filter.words.map(Cell::new),
        checked: Cell::new(0),
        generation: Cell::new(0),
        arrivals: Cell::new(0),
    }
}

fn nothing_known() -> Known<Cell> {
    Known {
        key: Cell::new(0),
        value: Cell::new(0),
    }
}

proptest! {
    #[test]
    fn what_was_added_is_found(addrs in prop::collection::vec((any::<[u32; 4]>(), any::<bool>()), 1..40)) {
        let mut filter = Filter::EMPTY;
        for (addr, is_v6) in &addrs {
            filter.add(*addr, *is_v6);
        }
        let filter = shared(&filter);
        for (addr, _) in &addrs {
            prop_assert!(filter.may_hold(addr));
        }
    }

    #[test]
    fn whatever_follows_an_ipv4_address_in_memory_does_not_hide_it(addr in any::<u32>(), rest in any::<[u32; 3]>()) {
        let mut filter = Filter::EMPTY;
        filter.add([addr, 0, 0, 0], false);
        prop_assert!(shared(&filter).may_hold(&[addr, rest[0], rest[1], rest[2]]));
    }

    #[test]
    fn what_was_kept_is_recalled_within_its_second_only(
        dest in any::<u64>(), second in 0u32..1 << 22, slot in 0u32..512, id in 1..u32::MAX, generation in any::<u32>(),
    ) {
        let known = nothing_known();
        let (generation, later) = (u64::from(generation), u64::from(generation) + 1);
        for (look, outlives) in [(Look::watched(Watch { slot, id }), true), (Look::other(generation), false)] {
            known.keep(dest, second, look);
            prop_assert_eq!(known.recall(dest, second, generation), look);
            let lasting = if outlives { look } else { Look::UNKNOWN };
            prop_assert_eq!(known.recall(dest, second, later), lasting);
            prop_assert_eq!(known.recall(dest, second + 1, generation), Look::UNKNOWN);
            prop_assert_eq!(known.recall(dest ^ 64, second, generation), Look::UNKNOWN);
        }
        prop_assert!(Known::place(dest) < PLACES);
    }

    #[test]
    fn halves_of_two_entries_fit_neither(
        dests in any::<[u64; 2]>(), second in 0u32..1 << 22, slots in any::<[u8; 2]>(),
    ) {
        prop_assume!(dests[0] != dests[1] && slots[0] != slots[1]);
        let [one, two, torn] = [nothing_known(), nothing_known(), nothing_known()];
        one.keep(dests[0], second, Look::watched(Watch { slot: slots[0].into(), id: 1 }));
        two.keep(dests[1], second, Look::watched(Watch { slot: slots[1].into(), id: 2 }));
        torn.key.store(one.key.load());
        torn.value.store(two.value.load());
        for dest in dests {
            prop_assert_eq!(torn.recall(dest, second, 9), Look::UNKNOWN);
        }
    }
}

#[test]
fn an_ipv6_subnet_is_told_apart_and_few_servers_fill_little() {
    let mut filter = Filter::EMPTY;
    for host in 1..=16 {
        filter.add([0x2001_0db8, 0, 0, host], true);
    }
    let filter = shared(&filter);
    let wrong = (1000..2000)
        .filter(|host| filter.may_hold(&[0x2001_0db8, 0, 0, *host]))
        .count();
    assert!(wrong < 20, "{wrong} of 1000");
}

#[test]
fn nothing_is_known_at_first() {
    assert_eq!(
        nothing_known().recall(0xffff_8880_1234_5600, 77, 0),
        Look::UNKNOWN
    );
}
