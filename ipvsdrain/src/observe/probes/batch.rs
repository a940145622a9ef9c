//! All flows of the map, a thousand with each call of the kernel. One by one, each takes two calls, and the kernel begins
//! anew where the flow it stood at is deleted meanwhile.

use aya::maps::{HashMap, MapData};
use aya::sys::SyscallError;
use ipvsdrain_ebpf::layout::{Flow, FlowKey};

use super::Raw;
use crate::observe::bpf_calls::{Position, read_batch};
use crate::observe::error::ObserveError;
use crate::observe::faults::map_fault;

/// A bucket of the map must fit in, and holds one flow on average.
const AT_ONCE: usize = 1024;

/// Where the reading stands, and the flows that were read last.
pub(super) struct Batches {
    position: Position,
    keys: Vec<Raw<FlowKey>>,
    flows: Vec<Raw<Flow<u64>>>,
}

impl Batches {
    pub(super) fn new() -> Self {
        Self {
            position: Position::Beginning,
            keys: vec![Raw(FlowKey::default()); AT_ONCE],
            flows: vec![Raw(Flow::default()); AT_ONCE],
        }
    }

    /// The next flows; none once all were read. Deleting some of those that were read disturbs nothing.
    pub(super) fn next<'a>(
        &'a mut self,
        map: &HashMap<MapData, Raw<FlowKey>, Raw<Flow<u64>>>,
    ) -> Result<Option<impl Iterator<Item = (&'a FlowKey, &'a Flow<u64>)> + use<'a>>, ObserveError> {
        if self.position == Position::End {
            return Ok(None);
        }
        let read =
            read_batch(map, &mut self.position, &mut self.keys, &mut self.flows).map_err(|io_error| {
                let call = "bpf_map_lookup_batch";
                map_fault("reading flows", &SyscallError { call, io_error }.into())
            })?;
        let keys = self.keys[..read].iter().map(|key| &key.0);
        Ok(Some(keys.zip(self.flows[..read].iter().map(|flow| &flow.0))))
    }
}
