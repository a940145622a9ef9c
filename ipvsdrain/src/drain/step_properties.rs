//! What holds for every sequence of facts, however odd.

use std::time::Duration;

use proptest::prelude::*;

use super::evidence::LAG;
use super::step_tests::{facts, flows, request, server};
use super::*;
use crate::moment::Moment;

#[derive(Debug, Clone)]
struct Second {
    gap: u64,
    table: u8,
    weight: u32,
    packets: u64,
    packets_out: u64,
    active: u32,
    udp: u64,
    saw_packet: bool,
    rung: Rung,
    arrivals: Option<Arrivals>,
    flows_known: bool,
    counters_known: bool,
    sysctl: Option<bool>,
    others: u64,
}

fn rung() -> impl Strategy<Value = Rung> {
    prop_oneof![9 => Just(Rung::Probes), 2 => Just(Rung::Arrivals), 3 => Just(Rung::Counters)]
}

fn second() -> impl Strategy<Value = Second> {
    let mostly = |p| proptest::bool::weighted(p);
    (
        (1..4u64, 0..40u8, prop_oneof![12 => Just(0u32), 1 => 1..9u32]),
        (
            prop_oneof![19 => Just(0u64), 1 => 1..5u64],
            prop_oneof![19 => Just(0u64), 1 => 1..5u64],
            prop_oneof![9 => Just(0u32), 1 => 1..3u32],
        ),
        (rung(), prop_oneof![Just(None), Just(Some(Arrivals::default()))]),
        (
            prop_oneof![6 => Just(0u64), 1 => 1..4u64],
            mostly(0.1),
            mostly(0.97),
            mostly(0.97),
        ),
        (
            prop_oneof![9 => Just(Some(false)), 3 => Just(Some(true)), 1 => Just(None)],
            0..4u64,
        ),
    )
        .prop_map(
            |(
                (gap, table, weight),
                (packets, packets_out, active),
                (rung, arrivals),
                (udp, saw_packet, flows_known, counters_known),
                (sysctl, others),
            )| {
                Second {
                    gap,
                    table,
                    weight,
                    packets,
                    packets_out,
                    active,
                    udp,
                    saw_packet,
                    rung,
                    arrivals,
                    flows_known,
                    counters_known,
                    sysctl,
                    others,
                }
            },
        )
}

/// What has happened up to a second.
#[derive(Debug, Clone, Copy)]
struct Past {
    packets: u64,
    packets_out: u64,
    last_packet: Option<Moment>,
    rung: Option<Rung>,
    rung_since: Moment,
}

fn as_facts(second: &Second, past: Past, now: Moment) -> Facts {
    let unknown = || "not read".to_owned();
    let present = Server {
        packets: past.packets,
        packets_out: past.packets_out,
        active: second.active,
        others_weight: second.others,
        ..server(second.weight)
    };
    Facts {
        table: match second.table {
            0 => Table::Unknown(unknown()),
            1 => Table::NoServer,
            _ => Table::Present(present),
        },
        flows: if second.flows_known {
            let counts = second.rung != Rung::Counters;
            Evidence::Known(Flows {
                udp: if counts { second.udp } else { 0 },
                last_packet: past.last_packet.filter(|last| counts && *last >= past.rung_since),
                watched_since: past.rung_since,
                rung: second.rung,
                arrivals: second.arrivals,
                ..flows()
            })
        } else {
            Evidence::Unknown(unknown())
        },
        lacking: Lacking::default(),
        counters: if second.counters_known {
            Evidence::Known(())
        } else {
            Evidence::Unknown(unknown())
        },
        expire_nodest_conn: second
            .sysctl
            .map_or_else(|| Evidence::Unknown(unknown()), Evidence::Known),
        expire_nodest_borrowed_elsewhere: None,
        watched: now > Moment::from_secs(1000),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn nothing_is_removed_on_doubt(
        mut seconds in proptest::collection::vec(second(), 1..80),
        migrate in any::<bool>(),
        never in any::<bool>(),
    ) {
        let policy = Policy {
            pinned: if migrate { Pinned::Migrate } else { Pinned::Wait },
            sysctl: if never { SysctlUse::Never } else { SysctlUse::Scoped },
            ..Policy::default()
        };
        let mut now = Moment::from_secs(1000);
        let mut record = begin(&request(policy), &facts(server(5), flows()).table, "boot", now, 0).unwrap();
        let mut past = Past { packets: 500, packets_out: 0, last_packet: None, rung: None, rung_since: now };
        let mut moved_at = now;
        for second in &mut seconds {
            now = now + Duration::from_secs(second.gap);
            if second.packets + second.packets_out > 0 && second.table > 1 {
                past.packets += second.packets;
                past.packets_out += second.packets_out;
                moved_at = now;
            }
            if second.saw_packet {
                past.last_packet = Some(now);
            }
            // A rung lasts for a while, or no window would ever be whole.
            if second.gap < 3 {
                second.rung = past.rung.unwrap_or(second.rung);
            }
            if past.rung != Some(second.rung) {
                past.rung = Some(second.rung);
                past.rung_since = now;
            }
            let seen = as_facts(second, past, now);
            let was = record.state;
            let next = step(&record, &seen, now);

            if next.actions.iter().any(|action| matches!(action, Action::Remove { .. })) {
                prop_assert!(matches!(was, State::Draining | State::Quiet | State::Drained));
                prop_assert!(second.flows_known && second.counters_known && second.table > 1);
                prop_assert_eq!(second.weight, 0);
                prop_assert_eq!(second.active, 0, "an open TCP connection is never removed");
                prop_assert!(second.others > 0);
                let counts = second.rung != Rung::Counters;
                let migrated = counts && second.udp > 0;
                prop_assert!(!migrated || migrate);
                let needed = policy.silence() + if counts { Duration::ZERO } else { LAG };
                prop_assert!(migrated || now.since(moved_at) >= needed);
                prop_assert!(now.since(past.rung_since) >= needed, "a rung proves nothing about the time before it");
                prop_assert!(next.record.removal.is_some(), "the intent is journalled first");
                let position = |wanted| next.actions.iter().position(|action| *action == wanted);
                if second.sysctl == Some(false) && !never {
                    prop_assert_eq!(next.record.borrowed_expire_nodest, Some(false));
                    let removal = position(Action::Remove { needs_expire_nodest: true });
                    prop_assert!(position(Action::SetExpireNodest(true)) < removal);
                    prop_assert_eq!(position(Action::SetExpireNodest(false)), None, "the kernel still has to flush");
                }
                if never {
                    prop_assert!(position(Action::SetExpireNodest(true)).is_none());
                }
            }
            if next.actions.contains(&Action::SetExpireNodest(false)) {
                let flushed = next.record.removal.is_none_or(|removal| now.since(removal.asked_at) >= removal.flush_time());
                prop_assert!(flushed);
            }
            if record.borrowed_expire_nodest.is_some() && next.record.borrowed_expire_nodest.is_none() {
                prop_assert_eq!(second.sysctl, Some(false), "owed until it is back");
            }
            if was.is_final() {
                prop_assert_eq!(next.record.state, was, "the end is the end");
                prop_assert!(record.outcome.is_none() || next.record.outcome == record.outcome, "settled is settled");
                prop_assert!(next.actions.iter().all(|action| matches!(action, Action::Unwatch | Action::SetExpireNodest(_))));
            }
            let asked = next.record.removal.map(|removal| (removal.asked_at, removal.aftermath()));
            prop_assert!(next.record.outcome.is_none() || next.record.state == State::Removed);
            if let Some(Outcome::Counted { .. }) = &next.record.outcome {
                prop_assert!(asked.is_some_and(|(at, lasts)| now.since(at) >= lasts), "no count before its time");
            }
            if next.record.is_counting() {
                prop_assert!(!next.actions.contains(&Action::Unwatch), "the watch outlives the removal");
                prop_assert!(asked.is_some_and(|(at, lasts)| now.since(at) < lasts), "the aftermath ends");
            }
            prop_assert_eq!(next.record.before, server(5).configuration, "the original is never lost");
            prop_assert_eq!(step(&record, &seen, now), next.clone(), "the same facts, the same decision");
            record = next.record;
        }
    }
}
