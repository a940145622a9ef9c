//! The lab: real kernels from Debian's packages, booted in QEMU with an initramfs, running our scenarios.
//!
//! Other verbs call [`run()`]; everything else here serves it. What a scenario does is no business of
//! this side: it names scenarios, hands them options and passes their events on.
//!
//! One boot, in the order of the files: [`host_tools`] sees to QEMU, [`kernel`] and [`programs`] fetch
//! Debian packages through [`crate::debian`] into the [`crate::cache`], [`binaries`] builds our own, [`modules`] and
//! [`libraries`] find what those need, [`image`] packs it with [`cpio`], [`vmlinux`] unpacks the kernel,
//! [`qemu`] boots it, [`run`] follows [`protocol`] events and the [`console`].

mod binaries;
pub mod cli;
mod console;
mod cpio;
pub mod host_tools;
mod image;
mod kernel;
mod libraries;
mod lines;
mod matrix;
mod modules;
mod perl;
mod programs;
// The guest's side of the lab owns this file; compiling the same one keeps both in step.
#[path = "../../../tests/src/protocol.rs"]
#[allow(dead_code, reason = "this side reads events and writes none")]
mod protocol;
mod qemu;
mod rows;
mod run;
pub mod scenarios;
mod side_by_side;
mod systemd;
mod vmlinux;

pub use binaries::{Build, build, executable};
pub use kernel::KernelChoice;
pub use lines::lines_of;
pub use protocol::{Event, ScenarioResult};
pub use run::{Clock, Request, run};
pub use side_by_side::run_side_by_side;
