//! What the hooks on an interface share: a frame comes in, and if its flow is tracked, that is counted.
//!
//! IPVS has not seen the frame yet. What arrived and was forwarded to nobody is lost.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use ipvsdrain_ebpf::accounting::Place;
use ipvsdrain_ebpf::frame::{self, Bytes, NoFlow};
use ipvsdrain_ebpf::layout::FlowKey;

use crate::kernel::fact;
use crate::maps::{FLOWS, TALLIES};

/// A frame as a program finds it: two addresses that the verifier watches over.
pub(crate) struct Frame {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Bytes for Frame {
    #[inline(always)]
    fn load<T: Copy>(&self, offset: usize) -> Option<T> {
        let at = self.start + offset;
        if at + size_of::<T>() > self.end {
            return None;
        }
        // As if it were aligned, which an IP header behind 14 bytes is not: the object is for x86, whose kernels let
        // programs load from any address of a packet. `read_unaligned` becomes one load for each byte here, because
        // LLVM's target is to run anywhere.
        Some(unsafe { (at as *const T).read() })
    }
}

/// The flow of a frame.
#[inline(always)]
pub(crate) fn flow_key(frame: &Frame) -> Result<FlowKey, NoFlow> {
    frame::flow_key(frame)
}

/// Counts one packet of the flow, if it is tracked.
#[inline(always)]
pub(crate) fn count(key: &FlowKey) {
    let Some(flow) = FLOWS.get_ptr(key) else {
        return;
    };
    let flow = unsafe { &*flow };
    flow.arrived.add(1);
    if fact!(arrival_is_life) != 0 {
        flow.last_seen.store(unsafe { bpf_ktime_get_ns() });
    }
    let watch = Place::from_bits(flow.place.load()).watch();
    if let Some(tally) = TALLIES.get(watch.slot)
        && tally.watch.load() == watch.id as u64
    {
        tally.arrived.add(1);
    }
}
