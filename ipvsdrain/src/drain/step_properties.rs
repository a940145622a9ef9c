//! What holds for every sequence of facts, however odd.

use std::time::Duration;

use proptest::prelude::*;

use super::step_tests::{facts, flows, request, server};
use super::*;
use crate::moment::Moment;

#[derive(Debug, Clone)]
struct Second {
    gap: u64,
    table: u8,
    weight: u32,
    packets: u64,
    active: u32,
    udp: u64,
    saw_packet: bool,
    flows_known: bool,
    counters_known: bool,
    sysctl: Option<bool>,
    others: u64,
}

fn second() -> impl Strategy<Value = Second> {
    let mostly = |p| proptest::bool::weighted(p);
    (
        (1..4u64, 0..40u8, prop_oneof![12 => Just(0u32), 1 => 1..9u32]),
        (
            prop_oneof![9 => Just(0u64), 1 => 1..5u64],
            prop_oneof![9 => Just(0u32), 1 => 1..3u32],
        ),
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
                (packets, active),
                (udp, saw_packet, flows_known, counters_known),
                (sysctl, others),
            )| {
                Second {
                    gap,
                    table,
                    weight,
                    packets,
                    active,
                    udp,
                    saw_packet,
                    flows_known,
                    counters_known,
                    sysctl,
                    others,
                }
            },
        )
}

fn as_facts(second: &Second, packets: u64, last_packet: Option<Moment>, now: Moment) -> Facts {
    let unknown = || "not read".to_owned();
    let present = Server {
        packets,
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
            Evidence::Known(Flows {
                udp: second.udp,
                last_packet,
                watched_since: Moment::from_secs(1000),
                ..flows()
            })
        } else {
            Evidence::Unknown(unknown())
        },
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
        seconds in proptest::collection::vec(second(), 1..80),
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
        let (mut packets, mut last_packet) = (500, None);
        let mut moved_at = now;
        for second in &seconds {
            now = now + Duration::from_secs(second.gap);
            if second.packets > 0 && second.table > 1 {
                packets += second.packets;
                moved_at = now;
            }
            if second.saw_packet {
                last_packet = Some(now);
            }
            let seen = as_facts(second, packets, last_packet, now);
            let was = record.state;
            let next = step(&record, &seen, now);

            if next.actions.iter().any(|action| matches!(action, Action::Remove { .. })) {
                prop_assert!(matches!(was, State::Draining | State::Quiet | State::Drained));
                prop_assert!(second.flows_known && second.counters_known && second.table > 1);
                prop_assert_eq!(second.weight, 0);
                prop_assert_eq!(second.active, 0, "an open TCP connection is never removed");
                prop_assert!(second.others > 0);
                prop_assert!(second.udp == 0 || migrate);
                prop_assert!(second.udp > 0 || now.since(moved_at) >= policy.silence());
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
                prop_assert!(next.actions.iter().all(|action| matches!(action, Action::Unwatch | Action::SetExpireNodest(_))));
            }
            prop_assert_eq!(next.record.before, server(5).configuration, "the original is never lost");
            prop_assert_eq!(step(&record, &seen, now), next.clone(), "the same facts, the same decision");
            record = next.record;
        }
    }
}
