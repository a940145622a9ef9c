//! What the two hooks on `ip_vs_conn_put` share: IPVS is done with a packet and puts its connection back.
//!
//! One body for both, so that they count alike. They differ in how they come by the kernel's memory, which is [`Reach`].

use core::mem::MaybeUninit;

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use ipvsdrain_ebpf::cell::Cell;
use ipvsdrain_ebpf::first_look::{Filter, Known, Look};
use ipvsdrain_ebpf::layout::{Health, Watch};

use crate::conn::{Conn, dest_key, dest_offset};
use crate::flow;
use crate::kernel::fact;
use crate::maps::{FILTER, HEALTH, KNOWN, SCRATCH, TALLIES, WATCHED};

/// How many connections that nobody watches are checked before their kind is trusted.
const CHECKS: u64 = 1000;

const SECOND: u64 = 1_000_000_000;

/// How a program reads the connection at an address. `None` if that is no readable kernel memory.
pub(crate) trait Reach {
    /// The server's address, for the first look.
    fn server(address: u64) -> Option<[u32; 4]>;

    /// The connection, for what comes after.
    fn conn(address: u64) -> Option<Conn>;
}

/// Counts the packet of the connection at `address`, if its server is watched.
#[inline(always)]
pub(crate) fn observe<R: Reach>(ctx: &impl EbpfContext, address: u64) {
    let Some(filter) = FILTER.get(0) else {
        return;
    };
    // First what nearly every packet ends with: nobody cares for that server.
    let Some(server) = R::server(address) else {
        complain(|health| &health.unreadable);
        return;
    };
    let may_be_watched = filter.may_hold(&server);
    if !may_be_watched && filter.checked.load() >= CHECKS {
        return;
    }
    let Some(conn) = R::conn(address) else {
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
    if conn.is_template() {
        return;
    }
    let dest = conn.dest();
    if dest == 0 {
        return;
    }
    let now = unsafe { bpf_ktime_get_ns() };
    let look = look(conn, dest, address, (now / SECOND) as u32, filter);
    if look.is_watched() {
        flow::count(ctx, filter, look.watch(), conn, dest, address, now);
    } else if look.is_other() && filter.arrivals.load() != 0 {
        // Only a flow that was handed over is of interest here, and only to the count of arrivals.
        flow::count_elsewhere(conn, dest, address, now);
    }
}

/// Who watches the server of `conn`.
#[inline(always)]
fn look(conn: Conn, dest: u64, address: u64, second: u32, filter: &Filter<Cell>) -> Look {
    let generation = filter.generation.load();
    let Some(known) = KNOWN.get(Known::place(dest)) else {
        return Look::UNKNOWN;
    };
    let look = known.recall(dest, second, generation);
    if look.is_other() || (look.is_watched() && is_current(look.watch())) {
        return look;
    }
    let Some((watch, dest)) = look_up(conn, address) else {
        complain(|health| &health.unreadable);
        return Look::UNKNOWN;
    };
    // No watch has the id 0.
    let look = if watch.id == 0 {
        Look::other(generation)
    } else {
        Look::watched(watch)
    };
    known.keep(dest, second, look);
    look
}

#[inline(always)]
fn is_current(watch: Watch) -> bool {
    TALLIES
        .get(watch.slot)
        .is_some_and(|tally| tally.watch.load() == watch.id as u64)
}

/// The full look: the destination's identity, and the network namespace, because the same service can exist in
/// several namespaces of one machine and a probe sees them all. `None` if something cannot be read.
///
/// The destination's address is read anew and returned, for a plain number: where the verifier knows it for a pointer,
/// no program may compute with it.
#[inline(always)]
fn look_up(conn: Conn, address: u64) -> Option<(Watch, u64)> {
    const NOBODY: Watch = Watch { slot: 0, id: 0 };
    let scratch = SCRATCH.get_ptr_mut(0)?;
    let dest: u64 = read(address.wrapping_add(dest_offset() as u64))?;
    // No other program shares this CPU's room: the kernel does not nest these programs.
    let key = dest_key(unsafe { &mut (*scratch).dest }, dest, conn.family())?;
    let Some(watch) = WATCHED.get_ptr(&key) else {
        return Some((NOBODY, dest));
    };
    let watch = unsafe { *watch };
    let ipvs: u64 = read(address.wrapping_add(fact!(conn.ipvs) as u64))?;
    let net: u64 = read(ipvs.wrapping_add(fact!(network.net) as u64))?;
    let inode: u32 = read(net.wrapping_add(fact!(network.inode) as u64))?;
    let watch = if inode == fact!(network.ours) {
        watch
    } else {
        NOBODY
    };
    Some((watch, dest))
}

#[inline(always)]
pub(crate) fn read<T: Copy>(address: u64) -> Option<T> {
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
