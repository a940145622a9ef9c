//! The eBPF programs: one file per hook, and what the hooks share.
//!
//! They count and nothing else: no packet is changed, delayed or dropped. Nothing here loops, and what costs time
//! comes after the question whether anybody watches this server.

#![no_std]
#![no_main]
#![warn(unsafe_op_in_unsafe_fn)]

mod arrival;
mod arrivals_tc;
mod arrivals_xdp;
mod conn;
mod conn_put;
mod conn_put_fentry;
mod conn_put_kprobe;
mod flow;
mod kernel;
mod maps;

use ipvsdrain_ebpf::layout;

/// What the loader compares before it looks at anything else. The section's name is [`layout::LAYOUT_SECTION`].
#[unsafe(no_mangle)]
#[unsafe(link_section = "ipvsdrain.layout")]
#[used]
static LAYOUT: u32 = layout::LAYOUT_VERSION;

/// Kernel helpers for tracing are open to programs under a licence compatible with the GPL.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
#[used]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // No program can reach this: the verifier would refuse the endless loop.
    loop {}
}
