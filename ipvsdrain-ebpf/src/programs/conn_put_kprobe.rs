//! The hook that every kernel with kprobes offers: memory is copied by a helper.

use aya_ebpf::macros::kprobe;
use aya_ebpf::programs::ProbeContext;

use crate::conn::Conn;
use crate::conn_put::{Reach, observe, read};
use crate::kernel::fact;
use crate::maps::SCRATCH;

/// `void ip_vs_conn_put(struct ip_vs_conn *cp)`, in 5.10 to 7.2.
///
/// Called once for each packet that was forwarded (after `packet_xmit`) or answered (after the reply's translation),
/// with the connection's state already updated. A packet dropped because its destination is gone, and an ICMP error,
/// end in `__ip_vs_conn_put`, which is another, inlined function: they do not pass here.
#[kprobe]
pub(crate) fn ip_vs_conn_put(ctx: ProbeContext) -> u32 {
    if let Some(address) = ctx.arg::<u64>(0) {
        observe::<Copying>(&ctx, address);
    }
    0
}

struct Copying;

impl Reach for Copying {
    #[inline(always)]
    fn server(address: u64) -> Option<[u32; 4]> {
        read(address.wrapping_add(fact!(conn.server_addr) as u64))
    }

    #[inline(always)]
    fn conn(address: u64) -> Option<Conn> {
        let scratch = SCRATCH.get_ptr_mut(0)?;
        // No other program shares this CPU's room: the kernel does not nest these programs.
        Conn::copied(unsafe { &mut (*scratch).conn }, address)
    }
}
