//! What one packet changes in the maps.

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::BPF_NOEXIST;
use aya_log_ebpf::warn;
use ipvsdrain_ebpf::accounting::{Class, Moved, Place, packet};
use ipvsdrain_ebpf::cell::Cell;
use ipvsdrain_ebpf::first_look::Filter;
use ipvsdrain_ebpf::layout::{Flow, Tally, Watch};

use crate::conn::Conn;
use crate::maps::{FLOWS, HEALTH, TALLIES};

const SECOND: u64 = 1_000_000_000;

/// Counts one packet of `conn`, whose struct lies at `address`, forwarded to the watched server or answered by it,
/// seen at `now` (nanoseconds). `dest` is where the server's struct lies.
#[inline(always)]
pub(crate) fn count(
    ctx: &impl EbpfContext,
    filter: &Filter<Cell>,
    watch: Watch,
    conn: Conn,
    dest: u64,
    address: u64,
    now: u64,
) {
    let Some(tally) = TALLIES.get(watch.slot) else {
        return;
    };
    tally.last_packet.store(now);
    let state = conn.state();
    let Some(flow) = find_or_start(conn, dest, address, now) else {
        refuse(ctx, tally);
        return;
    };

    let requests = requests(flow, conn, dest, address, now);
    flow.last_seen.store(now);
    flow.state.store(state as u64);
    let place = Place::at(watch, Class::of(conn.protocol(), state), (now / SECOND) as u32);
    match packet(tally, &flow.place, place, |slot| TALLIES.get(slot)) {
        Moved::Stayed => {}
        Moved::Started => began(tally, conn),
        Moved::Returned => {
            begin_anew(flow, now);
            began(tally, conn);
        }
        Moved::CameFrom(slot) => {
            if let Some(other) = TALLIES.get(slot) {
                // What brought it here had arrived as the other server's packet.
                leave(flow, other, requests);
            }
            begin_anew(flow, now);
            began(tally, conn);
        }
    }
    flow.packets.add(1);
    tally.packets.add(1);
    if requests != 0 {
        flow.requests.add(requests);
        tally.forwarded.add(requests);
        if filter.arrivals.load() != 0 {
            account_for_arrival(flow, tally, now);
        }
    }
}

/// Counts one packet of a connection to a server that nobody watches, if its flow was a watched server's.
#[inline(always)]
pub(crate) fn count_elsewhere(conn: Conn, dest: u64, address: u64, now: u64) {
    let Some(flow) = FLOWS.get_ptr(&conn.flow_key()) else {
        return;
    };
    let flow = unsafe { &*flow };
    let watch = Place::from_bits(flow.place.load()).watch();
    let Some(tally) = TALLIES.get(watch.slot) else {
        return;
    };
    let requests = requests(flow, conn, dest, address, now);
    if requests != 0 && tally.watch.load() == watch.id as u64 {
        leave(flow, tally, requests);
        account_for_arrival(flow, tally, now);
    }
}

/// Counts packets of a flow of `tally`'s server that went to another one.
#[inline(always)]
fn leave(flow: &Flow<Cell>, tally: &Tally<Cell>, requests: u64) {
    tally.elsewhere.add(requests);
    if flow.elsewhere.load() == 0 && flow.elsewhere.replace(0, requests) {
        tally.flows_moved.add(1);
    } else {
        flow.elsewhere.add(requests);
    }
}

/// What was forwarded has arrived: makes up for packets that came in before the flow was known, or by an interface
/// that nobody looks at.
#[inline(always)]
fn account_for_arrival(flow: &Flow<Cell>, tally: &Tally<Cell>, now: u64) {
    let gone = flow.requests.load() + flow.elsewhere.load();
    let arrived = flow.arrived.load();
    if gone > arrived && flow.arrived.replace(arrived, gone) {
        tally.arrived.add(gone - arrived);
        // Of a new flow several packets may be under way before the first makes it known.
        if now.wrapping_sub(flow.first_seen.load()) as i64 > SECOND as i64 {
            tally.unwitnessed.add(gone - arrived);
        }
    }
}

/// Counts a flow as begun, unless its connection is older than our sight of it.
#[inline(always)]
fn began(tally: &Tally<Cell>, conn: Conn) {
    if conn.in_pkts() <= 1 {
        tally.flows_started.add(1);
    }
}

/// Forgets what was counted of the flow under an earlier watch.
#[inline(always)]
fn begin_anew(flow: &Flow<Cell>, now: u64) {
    flow.first_seen.store(now);
    flow.packets.store(0);
    flow.requests.store(0);
    flow.arrived.store(0);
    flow.elsewhere.store(0);
}

#[cold]
#[inline(always)]
fn refuse(ctx: &impl EbpfContext, tally: &Tally<Cell>) {
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
}

/// How many packets from the client this call accounts for; 0 for a reply.
///
/// IPVS counts a request in `in_pkts` before it puts the connection back, and leaves replies out. With several CPUs
/// at work the counter may already include a neighbour's packet: whoever moves our copy forward takes the
/// difference, so the sum is exact and no packet is counted twice.
#[inline(always)]
fn requests(flow: &Flow<Cell>, conn: Conn, dest: u64, address: u64, now: u64) -> u64 {
    if conn.is_one_packet() {
        return 1;
    }
    let seen = flow.in_pkts.load();
    let current = conn.in_pkts();
    let step = current.wrapping_sub(seen as u32) as i32;
    let silent = now.wrapping_sub(flow.last_seen.load()) as i64;
    // The same 5-tuple can get a new connection, even at the same address: once the old one is gone for a while, and
    // right away where the old one's server was removed, for the kernel frees that connection. The new one then leads
    // to another server, whose struct is another as well: the removed server's is kept for minutes.
    let is_new =
        flow.conn.load() != address || flow.dest.load() != dest || (step < 0 && silent > SECOND as i64);
    if is_new {
        flow.conn.store(address);
        flow.dest.store(dest);
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
fn find_or_start<'a>(conn: Conn, dest: u64, address: u64, now: u64) -> Option<&'a Flow<Cell>> {
    let key = conn.flow_key();
    if let Some(flow) = FLOWS.get_ptr(&key) {
        return Some(unsafe { &*flow });
    }
    // In the order of the struct. Where many neighbours are zero, LLVM would call memset, a loop over bytes.
    let fresh = Flow {
        place: Cell::new(Place::NOWHERE.bits()),
        first_seen: Cell::new(now),
        packets: Cell::new(0),
        last_seen: Cell::new(now),
        requests: Cell::new(0),
        // The first packet we see of a connection is taken for a request.
        in_pkts: Cell::new(conn.in_pkts().saturating_sub(1) as u64),
        conn: Cell::new(address),
        dest: Cell::new(dest),
        state: Cell::new(u64::MAX),
        arrived: Cell::new(0),
        elsewhere: Cell::new(0),
    };
    // It fails if another CPU was faster, or if there is no room: the second look tells which.
    let _ = FLOWS.insert(&key, &fresh, BPF_NOEXIST as u64);
    FLOWS.get_ptr(&key).map(|flow| unsafe { &*flow })
}
