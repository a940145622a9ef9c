//! The one hook: IPVS is done with a packet and puts its connection back.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::macros::kprobe;
use aya_ebpf::programs::ProbeContext;
use ipvsdrain_ebpf::cell::Cell;
use ipvsdrain_ebpf::first_look::{Filter, Known, Look};
use ipvsdrain_ebpf::layout::{Health, Watch};

use crate::conn::{Conn, Copied, dest_key};
use crate::flow;
use crate::kernel::fact;
use crate::maps::{FILTER, HEALTH, KNOWN, SCRATCH, TALLIES, WATCHED};

/// How many connections that nobody watches are checked before their kind is trusted.
const CHECKS: u64 = 1000;

const SECOND: u64 = 1_000_000_000;

/// `void ip_vs_conn_put(struct ip_vs_conn *cp)`, in 5.10 to 7.2.
///
/// Called once for each packet that was forwarded (after `packet_xmit`) or answered (after the reply's translation),
/// with the connection's state already updated. A packet dropped because its destination is gone, and an ICMP error,
/// end in `__ip_vs_conn_put`, which is another, inlined function: they do not pass here.
#[kprobe]
pub(crate) fn ip_vs_conn_put(ctx: ProbeContext) -> u32 {
    if let Some(address) = ctx.arg::<u64>(0) {
        observe(&ctx, address);
    }
    0
}

#[inline(always)]
fn observe(ctx: &ProbeContext, address: u64) {
    let Some(filter) = FILTER.get(0) else {
        return;
    };
    // First what nearly every packet ends with: 16 bytes read, and nobody cares for that server.
    let Some(server) = read::<[u32; 4]>(address.wrapping_add(fact!(conn.server_addr) as u64)) else {
        complain(|health| &health.unreadable);
        return;
    };
    let may_be_watched = filter.may_hold(&server);
    if !may_be_watched && filter.checked.load() >= CHECKS {
        return;
    }
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return;
    };
    // No other program shares this CPU's room: the kernel does not nest kprobe programs.
    let scratch = unsafe { &mut *scratch };
    let Some(conn) = Conn::read(&mut scratch.conn, address) else {
        complain(|health| &health.unreadable);
        return;
    };
    if !conn.is_plausible() {
        complain(|health| &health.mistaken);
        return;
    }
    if !may_be_watched {
        filter.checked.add(1);
        return;
    }
    if conn.is_template() || conn.dest() == 0 {
        return;
    }
    let now = unsafe { bpf_ktime_get_ns() };
    match look(&mut scratch.dest, &conn, address, (now / SECOND) as u32, filter) {
        Some(Look::Watched(watch)) => flow::count(ctx, filter, watch, &conn, address, now),
        // Only a flow that was handed over is of interest here, and only to the count of arrivals.
        Some(Look::Other) if filter.arrivals.load() != 0 => flow::count_elsewhere(&conn, address, now),
        _ => {}
    }
}

/// Who watches the server of `conn`; `None` if that cannot be told.
#[inline(always)]
fn look(
    copy: &mut Copied,
    conn: &Conn<'_>,
    address: u64,
    second: u32,
    filter: &Filter<Cell>,
) -> Option<Look> {
    let dest = conn.dest();
    let generation = filter.generation.load();
    let known = KNOWN.get(Known::place(dest))?;
    if let Some(look) = known.recall(dest, second, generation) {
        match look {
            Look::Watched(watch) if !is_current(watch) => {}
            look => return Some(look),
        }
    }
    let Some(watch) = look_up(copy, conn, address) else {
        complain(|health| &health.unreadable);
        return None;
    };
    let look = watch.map_or(Look::Other, Look::Watched);
    known.keep(dest, second, generation, look);
    Some(look)
}

#[inline(always)]
fn is_current(watch: Watch) -> bool {
    TALLIES
        .get(watch.slot)
        .is_some_and(|tally| tally.watch.load() == watch.id as u64)
}

/// The full look: the destination's identity, and the network namespace, because the same service can exist in
/// several namespaces of one machine and a kprobe sees them all. `None` if something cannot be read.
#[inline(always)]
fn look_up(copy: &mut Copied, conn: &Conn<'_>, address: u64) -> Option<Option<Watch>> {
    let key = dest_key(copy, conn.dest(), conn.family())?;
    let Some(watch) = WATCHED.get_ptr(&key) else {
        return Some(None);
    };
    let watch = unsafe { *watch };
    let ipvs: u64 = read(address.wrapping_add(fact!(conn.ipvs) as u64))?;
    let net: u64 = read(ipvs.wrapping_add(fact!(network.net) as u64))?;
    let inode: u32 = read(net.wrapping_add(fact!(network.inode) as u64))?;
    Some((inode == fact!(network.ours)).then_some(watch))
}

#[inline(always)]
fn read<T: Copy>(address: u64) -> Option<T> {
    // Not zeroed first: LLVM would call memset, a loop over bytes.
    let mut value = MaybeUninit::<T>::uninit();
    let length = size_of::<T>() as u32;
    unsafe {
        let result = bpf_probe_read_kernel(value.as_mut_ptr().cast(), length, address as *const _);
        (result == 0).then(|| value.assume_init())
    }
}

/// Counts what voids the evidence, in one of the numbers of [`Health`].
#[cold]
#[inline(always)]
fn complain(number: fn(&Health<Cell>) -> &Cell) {
    if let Some(health) = HEALTH.get(0) {
        number(health).add(1);
    }
}
