//! What may happen in a trace of failures.

use proptest::prelude::*;

use super::super::{FailurePolicy, Floor, OnFailure, OtherHands, Policy};
use super::event::{SERVERS, Setting};

/// A check, and reports from elsewhere.
pub(super) const SOURCES: [&str; 2] = ["check:dns", "report:rack"];

/// With no newer finding for so many seconds a source is unknown.
pub(super) const STALE_AFTER: u64 = 4;

/// What a source finds about a server, every second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Passes,
    Fails,
    NoResult,
    Silent,
}

#[derive(Debug, Clone)]
pub(super) enum Event {
    Pass(u64),
    Look {
        server: usize,
        source: usize,
        look: Look,
    },
    /// For so many seconds it fails, and passes for so many, in turn.
    Flap {
        server: usize,
        fails: u64,
        passes: u64,
        times: u32,
    },
    /// One source about all servers.
    LookAll {
        source: usize,
        look: Look,
    },
    Withdraw {
        server: usize,
        source: usize,
    },
    /// The board is forgotten, and the records are as the journal has them: now, or after so many actions.
    Restart(Option<usize>),
    Maintain(usize),
    Restore(usize),
    SetWeight {
        server: usize,
        weight: u32,
    },
    Delete(usize),
    Add {
        server: usize,
        weight: u32,
    },
    /// Every change fails for so many seconds.
    Fault(u64),
}

fn server() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(0), 1 => 0..SERVERS]
}

fn source() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0usize), 1 => Just(1)]
}

fn look() -> impl Strategy<Value = Look> {
    prop_oneof![
        4 => Just(Look::Fails),
        4 => Just(Look::Passes),
        1 => Just(Look::NoResult),
        2 => Just(Look::Silent),
    ]
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let weight = || prop_oneof![1 => Just(0u32), 2 => 101..104u32];
    prop_oneof![
        12 => (1..12u64).prop_map(Event::Pass),
        10 => (server(), source(), look()).prop_map(|(server, source, look)| Event::Look { server, source, look }),
        2 => (server(), 1..6u64, 1..9u64, 1..6u32)
            .prop_map(|(server, fails, passes, times)| Event::Flap { server, fails, passes, times }),
        2 => (source(), look()).prop_map(|(source, look)| Event::LookAll { source, look }),
        1 => (server(), source()).prop_map(|(server, source)| Event::Withdraw { server, source }),
        2 => proptest::option::of(0..4usize).prop_map(Event::Restart),
        1 => server().prop_map(Event::Maintain),
        1 => server().prop_map(Event::Restore),
        2 => (server(), weight()).prop_map(|(server, weight)| Event::SetWeight { server, weight }),
        1 => server().prop_map(Event::Delete),
        1 => (server(), weight()).prop_map(|(server, weight)| Event::Add { server, weight }),
        1 => (1..8u64).prop_map(Event::Fault),
    ]
}

/// What a trace is run by, besides the kernel's own setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counting {
    pub(super) rise: u32,
    pub(super) fall: u32,
}

pub(super) fn setting() -> impl Strategy<Value = (Setting, Counting)> {
    let failure = (0..12u32, 1..5u32, 0..6u32, 0..20u32, 5..60u32, 0..5u8).prop_map(
        |(remove_after, confirmations, hold_down, longer, forgiven, then)| FailurePolicy {
            then: match then {
                0 => OnFailure::Quiesce,
                _ => OnFailure::Remove,
            },
            remove_after_secs: remove_after,
            confirmations,
            hold_down_secs: hold_down,
            longest_hold_down_secs: hold_down + longer,
            forgiven_after_secs: forgiven,
        },
    );
    let slow_start = prop_oneof![Just(0u32), 3..15u32];
    let floor = (0..3u32, prop_oneof![Just(0u8), Just(50), Just(70)]);
    let hands = prop_oneof![2 => Just(OtherHands::Yield), 1 => Just(OtherHands::Reassert)];
    let counting = (1..3u32, 1..4u32).prop_map(|(rise, fall)| Counting { rise, fall });
    (failure, slow_start, floor, hands, counting).prop_map(
        |(failure, slow_start_secs, (servers, weight_percent), other_hands, counting)| {
            let policy = Policy {
                failure,
                slow_start_secs,
                other_hands,
                floor: Floor {
                    servers,
                    weight_percent,
                },
                ..Policy::default()
            };
            let setting = Setting {
                policy,
                fallback_scheduler: false,
                persistent: false,
                expire_nodest: false,
            };
            (setting, counting)
        },
    )
}
