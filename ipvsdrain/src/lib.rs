//! Takes a real server out of IPVS without losing a packet, as early as the traffic allows, and proves it.
//!
//! Data flows one way: [`ipvs`] and [`observe`] produce facts, [`check`] finds and [`health`] sums up, [`drain`] decides,
//! [`supervise`] acts and journals, [`api`] shows, [`cli`] asks; [`maintenance`] asks for a file, and [`hook`] tells
//! commands; [`web`] shows what [`metrics`] makes of all that. `ARCHITECTURE.md` draws the house.

pub mod api;
pub mod calendar;
pub mod check;
pub mod cli;
pub mod clock;
mod command;
pub mod config;
pub mod doctor;
pub mod drain;
pub mod forwarding;
pub mod health;
pub mod hook;
pub mod identity;
pub mod ipvs;
pub mod maintenance;
pub mod metrics;
pub mod moment;
pub mod observe;
pub mod supervise;
pub mod web;
