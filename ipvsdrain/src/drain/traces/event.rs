//! What may happen in a trace.

use proptest::prelude::*;

use super::super::{
    FallbackUse, Floor, OnDeadline, OtherHands, PersistenceUse, Pinned, Policy, SysctlUse, Then,
};

/// How many servers the service has.
pub(super) const SERVERS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Traffic,
    OtherHands,
    Faults,
    All,
}

#[derive(Debug, Clone)]
pub(super) enum Event {
    /// So many seconds go by, with a step of every drain after each.
    Pass(u64),
    Drain {
        server: usize,
        force: bool,
    },
    Restore(usize),
    /// A UDP flow that sends every `every` seconds for `lasts` seconds.
    Udp {
        server: usize,
        every: u64,
        lasts: u64,
    },
    /// A TCP connection that is silent while open, and then closes.
    Tcp {
        server: usize,
        lasts: u64,
    },
    /// By another hand.
    SetWeight {
        server: usize,
        weight: u32,
    },
    SetThreshold {
        server: usize,
        threshold: u32,
    },
    Delete(usize),
    Add {
        server: usize,
        weight: u32,
    },
    Flush,
    /// Something cannot be read, or done, for so many seconds.
    Fault(Fault, u64),
    /// The daemon dies: between two steps, or after so many actions of the next step.
    Crash {
        after_actions: Option<usize>,
        keeps_watch: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Table,
    Flows,
    Counters,
    Sysctl,
    /// Every change fails.
    Actions,
    /// The observer misses every packet, and does not know it.
    Blind,
}

fn server() -> impl Strategy<Value = usize> {
    // Mostly the same one, or few traces would come to an end.
    prop_oneof![3 => Just(0), 1 => 0..SERVERS]
}

fn calm() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1..14u64).prop_map(Event::Pass),
        4 => (server(), proptest::bool::weighted(0.1)).prop_map(|(server, force)| Event::Drain { server, force }),
        1 => server().prop_map(Event::Restore),
        3 => (server(), 1..9u64, 1..40u64).prop_map(|(server, every, lasts)| Event::Udp { server, every, lasts }),
        2 => (server(), 1..40u64).prop_map(|(server, lasts)| Event::Tcp { server, lasts }),
    ]
}

fn hands() -> impl Strategy<Value = Event> {
    let weight = || prop_oneof![Just(0u32), 1..9u32];
    prop_oneof![
        4 => (server(), weight()).prop_map(|(server, weight)| Event::SetWeight { server, weight }),
        1 => (server(), 1..9u32).prop_map(|(server, threshold)| Event::SetThreshold { server, threshold }),
        1 => server().prop_map(Event::Delete),
        2 => (server(), weight()).prop_map(|(server, weight)| Event::Add { server, weight }),
        1 => Just(Event::Flush),
    ]
}

fn faults() -> impl Strategy<Value = Event> {
    let fault = prop_oneof![
        Just(Fault::Table),
        Just(Fault::Flows),
        Just(Fault::Counters),
        Just(Fault::Sysctl),
        Just(Fault::Actions),
        Just(Fault::Blind),
    ];
    let crash = (proptest::option::of(0..4usize), any::<bool>());
    prop_oneof![
        2 => (fault, 1..12u64).prop_map(|(fault, secs)| Event::Fault(fault, secs)),
        1 => crash.prop_map(|(after_actions, keeps_watch)| Event::Crash { after_actions, keeps_watch }),
    ]
}

pub(super) fn event(kind: Kind) -> BoxedStrategy<Event> {
    match kind {
        Kind::Traffic => calm().boxed(),
        Kind::OtherHands => prop_oneof![3 => calm(), 1 => hands()].boxed(),
        Kind::Faults => prop_oneof![3 => calm(), 1 => faults()].boxed(),
        Kind::All => prop_oneof![4 => calm(), 1 => hands(), 1 => faults()].boxed(),
    }
}

/// What the service and all its drains are like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) policy: Policy,
    pub(super) fallback_scheduler: bool,
    pub(super) persistent: bool,
    pub(super) expire_nodest: bool,
}

pub(super) fn policy(kind: Kind) -> impl Strategy<Value = Setting> {
    let pinned = prop_oneof![Just(Pinned::Wait), Just(Pinned::Migrate), Just(Pinned::Hold)];
    let on_deadline = prop_oneof![
        Just(OnDeadline::Hold),
        Just(OnDeadline::Remove),
        Just(OnDeadline::Restore)
    ];
    let hands = prop_oneof![
        Just(OtherHands::Yield),
        Just(OtherHands::Reassert),
        Just(OtherHands::Alarm)
    ];
    let floor = (0..3u32, prop_oneof![Just(0u8), Just(30), Just(50), Just(70)]);
    let switches = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (
        pinned,
        on_deadline,
        proptest::option::of(5..60u32),
        hands,
        floor,
        switches,
    )
        .prop_map(
            move |(pinned, on_deadline, deadline_secs, other_hands, floor, switches)| {
                let (scoped, keep, fallback_scheduler, persistent, expire_nodest) = switches;
                let defaults = Policy::default();
                let policy = Policy {
                    pinned,
                    sysctl: if scoped {
                        SysctlUse::Scoped
                    } else {
                        SysctlUse::Never
                    },
                    fallback: FallbackUse::Set,
                    persistence: if scoped {
                        PersistenceUse::Set
                    } else {
                        PersistenceUse::Report
                    },
                    then: if keep { Then::Keep } else { Then::Remove },
                    deadline_secs,
                    on_deadline: if deadline_secs.is_some() {
                        on_deadline
                    } else {
                        OnDeadline::Hold
                    },
                    other_hands: if kind == Kind::Traffic {
                        OtherHands::Yield
                    } else {
                        other_hands
                    },
                    floor: Floor {
                        servers: floor.0,
                        weight_percent: floor.1,
                    },
                    ..defaults
                };
                Setting {
                    policy,
                    fallback_scheduler,
                    persistent,
                    expire_nodest,
                }
            },
        )
}
