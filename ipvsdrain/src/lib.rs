//! Takes a real server out of IPVS without losing a packet, as early as the traffic allows, and proves it.
//!
//! Data flows one way: [`ipvs`] and [`observe`] produce facts, [`health`] sums up findings, [`drain`] decides, [`supervise`] acts and
//! journals, [`api`] shows, [`cli`] asks; [`maintenance`] asks for a file, and
//! [`hook`] tells commands. `ARCHITECTURE.md` draws the house.

pub mod api;
pub mod calendar;
pub mod cli;
pub mod clock;
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
