//! What it costs to run ipvsdrain, on the packet's way and beside it: the scenarios of `cargo xtask bench cost`, and
//! `observer-cost`, which compares the ways to observe.
//!
//! They judge no figure: they measure, and hold only what must hold (all counted, nothing lost). Under virtual time the
//! guest's clock counts instructions (2 ns each), so figures repeat within about a percent whatever else this machine
//! does. With `--realtime` they mean nothing.

mod decision;
mod figures;
mod flows;
mod meter;
mod observer;
mod packet;
mod packets;
mod past;
mod servers;
mod setting;
mod start;
mod steps;

use crate::scenario::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    observer::SCENARIO,
    packets::SCENARIO,
    servers::SCENARIO,
    flows::SCENARIO,
    start::SCENARIO,
    decision::SCENARIO,
];
