//! What the eBPF programs and user space share, and the parts of the programs that are plain arithmetic.
//!
//! Owns the memory layout of every map value ([`layout`]), the counting of live flows ([`accounting`]), the quick
//! answers that spare a full look ([`first_look`]), the way from a frame to its flow ([`frame`]) and the one atomic
//! cell both sides compute with ([`cell`]). No allocation, no I/O, no clock: time is always an argument.

#![cfg_attr(not(test), no_std)]
#![cfg_attr(target_arch = "bpf", feature(core_intrinsics), allow(internal_features))]
// A program has no call stack to speak of, so everything is inlined; and it casts where a conversion would leave a
// branch for the verifier to follow.
#![allow(
    clippy::inline_always,
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

pub mod accounting;
pub mod cell;
pub mod first_look;
pub mod frame;
pub mod layout;
