//! The maps, by name. Their keys and values are defined in [`ipvsdrain_ebpf::layout`].

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use ipvsdrain_ebpf::cell::Cell;
use ipvsdrain_ebpf::first_look::{Filter, Known, PLACES};
use ipvsdrain_ebpf::layout::{
    Beginning, DestKey, FLOWS as FLOW_CAPACITY, Flow, FlowKey, Health, SLOTS, Seal, Tally, Watch,
};

use crate::conn::Scratch;

/// Addresses of servers under watch, and a few others that hash alike. User space writes it whole.
#[map]
pub(crate) static FILTER: Array<Filter<Cell>> = Array::with_max_entries(1, 0);

/// Destinations lately found to be watched.
#[map]
pub(crate) static KNOWN: Array<Known<Cell>> = Array::with_max_entries(PLACES, 0);

/// Real servers under watch. User space writes, the programs read.
#[map]
pub(crate) static WATCHED: HashMap<DestKey, Watch> = HashMap::with_max_entries(SLOTS, 0);

/// The counts of each watched server, by slot.
#[map]
pub(crate) static TALLIES: Array<Tally<Cell>> = Array::with_max_entries(SLOTS, 0);

/// Flows of watched servers. A plain hash: an LRU would forget live flows silently, this one refuses and says so.
/// Memory is taken per flow, so an idle watch costs little.
#[map]
pub(crate) static FLOWS: HashMap<FlowKey, Flow<Cell>> =
    HashMap::with_max_entries(FLOW_CAPACITY, BPF_F_NO_PREALLOC);

#[map]
pub(crate) static HEALTH: Array<Health<Cell>> = Array::with_max_entries(1, 0);

/// For user space alone: when each watch began, by slot.
#[map]
pub(crate) static BEGINNINGS: Array<Beginning> = Array::with_max_entries(SLOTS, 0);

/// For user space alone: what the maps above were made for.
#[map]
pub(crate) static SEAL: Array<Seal> = Array::with_max_entries(1, 0);

/// Room for copies of kernel structs, too large for a program's stack of 512 bytes.
#[map]
pub(crate) static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);
