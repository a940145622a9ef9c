//! The one hook: IPVS is done with a packet and puts its connection back.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::macros::kprobe;
use aya_ebpf::programs::ProbeContext;
use ipvsdrain_ebpf::cell::Cell;
use ipvsdrain_ebpf::layout::Health;

use crate::conn::{Conn, dest_key};
use crate::flow;
use crate::kernel::fact;
use crate::maps::{HEALTH, SCRATCH, TALLIES, WATCHED};

/// `void ip_vs_conn_put(struct ip_vs_conn *cp)`, in 5.10 to 7.2.
///
/// Called once for each packet that was forwarded (after `packet_xmit`) or answered (after the reply's translation),
/// with the connection's state already updated. A packet dropped because its destination is gone, and an ICMP error,
/// end in `__ip_vs_conn_put`, which is another, inlined function: they do not pass here.
#[kprobe]
pub(crate) fn ip_vs_conn_put(ctx: ProbeContext) -> u32 {
    if let (Some(address), Some(health)) = (ctx.arg::<u64>(0), HEALTH.get(0)) {
        observe(&ctx, address, health);
    }
    0
}

#[inline(always)]
fn observe(ctx: &ProbeContext, address: u64, health: &Health<Cell>) {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return;
    };
    // No other program shares this CPU's room: the kernel does not nest kprobe programs.
    let scratch = unsafe { &mut *scratch };
    if !scratch.conn.fill(address, fact!(conn.block)) {
        health.unreadable.add(1);
        return;
    }
    let conn = Conn(&scratch.conn);
    if !conn.is_plausible() {
        health.mistaken.add(1);
        return;
    }
    if conn.is_template() || conn.dest() == 0 {
        return;
    }
    let Some(key) = dest_key(&mut scratch.dest, conn.dest(), conn.family()) else {
        health.unreadable.add(1);
        return;
    };
    let Some(watch) = WATCHED.get_ptr(&key) else {
        return;
    };
    let watch = unsafe { *watch };
    match network(conn.ipvs()) {
        None => health.unreadable.add(1),
        Some(network) if network != fact!(network.ours) => {}
        Some(_) => {
            let Some(tally) = TALLIES.get(watch.slot) else {
                return;
            };
            let now = unsafe { bpf_ktime_get_ns() };
            flow::count(ctx, health, tally, &conn, address, watch.id, now);
        }
    }
}

/// The inode number of the network namespace that a `struct netns_ipvs` belongs to. The same service can exist in
/// several namespaces of one machine, and a kprobe sees them all.
#[inline(always)]
fn network(ipvs: u64) -> Option<u32> {
    let net: u64 = read(ipvs.wrapping_add(fact!(network.net) as u64))?;
    read(net.wrapping_add(fact!(network.inode) as u64))
}

#[inline(always)]
fn read<T: Copy + Default>(address: u64) -> Option<T> {
    let mut value = T::default();
    let result = unsafe {
        bpf_probe_read_kernel(
            (&raw mut value).cast(),
            size_of::<T>() as u32,
            address as *const _,
        )
    };
    (result == 0).then_some(value)
}
