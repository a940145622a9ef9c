//! The hook on an interface's way in, behind the driver: a TC classifier.

use aya_ebpf::bindings::TC_ACT_UNSPEC;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use ipvsdrain_ebpf::frame::{HEADERS, NoFlow};

use crate::arrival::{self, Frame};

/// A frame for somebody else, which a bridge or a capture brings here. IPVS leaves it alone.
const PACKET_OTHERHOST: u32 = 3;

/// `clsact` or TCX, ingress: `struct __sk_buff *`, stable in every kernel.
///
/// It sees what IPVS will see: packets that GRO has merged are one packet to both. It always lets the next program
/// decide.
#[classifier]
pub(crate) fn arrivals_tc(ctx: TcContext) -> i32 {
    if unsafe { (*ctx.skb.skb).pkt_type } != PACKET_OTHERHOST {
        see(&ctx);
    }
    TC_ACT_UNSPEC
}

#[inline(always)]
fn see(ctx: &TcContext) {
    let mut key = arrival::flow_key(&frame(ctx));
    // Some drivers leave the headers outside of the part a program can read at once.
    if matches!(key, Err(NoFlow::Short)) && ctx.pull_data(HEADERS.min(ctx.len() as usize) as u32).is_ok() {
        key = arrival::flow_key(&frame(ctx));
    }
    if let Ok(key) = key {
        arrival::count(&key);
    }
}

#[inline(always)]
fn frame(ctx: &TcContext) -> Frame {
    Frame {
        start: ctx.data(),
        end: ctx.data_end(),
    }
}
