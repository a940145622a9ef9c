//! The hooks on an interface's way in, inside or right behind its driver: XDP.

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;

use crate::arrival::{self, Frame};
use crate::kernel::fact;

const TCP: u16 = 6;

/// Native XDP: `struct xdp_md *`, stable in every kernel.
///
/// It sees frames before GRO merges them, while IPVS counts what GRO has merged. GRO merges TCP; so TCP is left out
/// here, and its losses are not claimed. Where arrivals say which flows are live, their number does not matter, and
/// TCP is in.
#[xdp]
pub(crate) fn arrivals_xdp(ctx: XdpContext) -> u32 {
    if let Ok(key) = arrival::flow_key(&frame(&ctx))
        && (key.protocol != TCP || fact!(arrival_is_life) != 0)
    {
        arrival::count(&key);
    }
    XDP_PASS
}

/// Generic XDP: `struct xdp_md *`, behind GRO. It sees what IPVS will see.
#[xdp]
pub(crate) fn arrivals_xdp_skb(ctx: XdpContext) -> u32 {
    if let Ok(key) = arrival::flow_key(&frame(&ctx)) {
        arrival::count(&key);
    }
    XDP_PASS
}

#[inline(always)]
fn frame(ctx: &XdpContext) -> Frame {
    Frame {
        start: ctx.data(),
        end: ctx.data_end(),
    }
}
