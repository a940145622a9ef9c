//! What one packet changes in the maps.

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::BPF_NOEXIST;
use aya_log_ebpf::warn;
use ipvsdrain_ebpf::accounting::{Class, Place};
use ipvsdrain_ebpf::cell::Cell;
use ipvsdrain_ebpf::layout::{Flow, FlowKey, Tally};

use crate::conn::Conn;
use crate::maps::{FLOWS, HEALTH};

const SECOND: u64 = 1_000_000_000;

/// Counts one packet of `conn`, whose struct lies at `address`, seen at `now` (nanoseconds).
#[inline(always)]
pub(crate) fn count(
    ctx: &impl EbpfContext,
    tally: &Tally<Cell>,
    conn: Conn,
    address: u64,
    watch: u32,
    now: u64,
) {
    tally.last_packet.store(now);
    let state = conn.state();
    let Some(flow) = find_or_start(&conn.flow_key(watch), conn, address, now) else {
        tally.untracked.add(1);
        let Some(health) = HEALTH.get(0) else {
            return;
        };
        // One message per load of the programs; the count tells the rest.
        let before = health.full.load();
        if before == 0 && health.full.replace(0, 1) {
            warn!(ctx, "the flow map is full: from now on new flows are not tracked");
        } else {
            health.full.add(1);
        }
        return;
    };

    let requests = requests(flow, conn, address, now);
    flow.last_seen.store(now);
    flow.state.store(state as u64);
    flow.packets.add(1);
    tally.packets.add(1);
    if requests != 0 {
        flow.requests.add(requests);
        tally.forwarded.add(requests);
    }
    let place = Place::at(Class::of(conn.protocol(), state), (now / SECOND) as u32);
    if tally.rings.packet(&flow.place, place) {
        tally.flows_started.add(1);
    }
}

/// How many packets from the client this call accounts for; 0 for a reply.
///
/// IPVS counts a request in `in_pkts` before it puts the connection back, and leaves replies out. With several CPUs
/// at work the counter may already include a neighbour's packet: whoever moves our copy forward takes the
/// difference, so the sum is exact and no packet is counted twice.
#[inline(always)]
fn requests(flow: &Flow<Cell>, conn: Conn, address: u64, now: u64) -> u64 {
    if conn.is_one_packet() {
        return 1;
    }
    let seen = flow.in_pkts.load();
    let current = conn.in_pkts();
    let step = current.wrapping_sub(seen as u32) as i32;
    let silent = now.wrapping_sub(flow.last_seen.load()) as i64;
    // The same 5-tuple can get a new connection, even at the same address once the old one is gone for a while.
    if flow.conn.load() != address || (step < 0 && silent > SECOND as i64) {
        flow.conn.store(address);
        flow.in_pkts.store(current as u64);
        return (current != 0) as u64;
    }
    if step > 0 && flow.in_pkts.replace(seen, current as u64) {
        step as u64
    } else {
        0
    }
}

#[inline(always)]
fn find_or_start<'a>(key: &FlowKey, conn: Conn, address: u64, now: u64) -> Option<&'a Flow<Cell>> {
    if let Some(flow) = FLOWS.get_ptr(key) {
        return Some(unsafe { &*flow });
    }
    // In the order of the struct; no two neighbours are zero, or LLVM would call memset, a loop over bytes.
    let fresh = Flow {
        place: Cell::new(Place::NOWHERE.bits()),
        first_seen: Cell::new(now),
        packets: Cell::new(0),
        last_seen: Cell::new(now),
        requests: Cell::new(0),
        // The first packet we see of a connection is taken for a request.
        in_pkts: Cell::new(conn.in_pkts().saturating_sub(1) as u64),
        conn: Cell::new(address),
        state: Cell::new(0),
    };
    // It fails if another CPU was faster, or if there is no room: the second look tells which.
    let _ = FLOWS.insert(key, &fresh, BPF_NOEXIST as u64);
    FLOWS.get_ptr(key).map(|flow| unsafe { &*flow })
}
