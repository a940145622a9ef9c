//! DNS: dnsperf asks from a few sockets, each of which keeps its port to the end.

use anyhow::Result;
use serde_json::json;

use super::{Load, Said};
use crate::dns;
use crate::world::World;

const SOCKETS: u16 = 6;
const PER_SECOND: u32 = 12;

pub(super) fn start(world: &World, port: u16) -> Result<dns::Load> {
    dns::Load::start(world, port, SOCKETS, PER_SECOND)
}

impl Load for dns::Load {
    fn finish(self: Box<Self>) -> Result<Said> {
        let count = (*self).finish()?;
        Ok(Said {
            broken: count.lost,
            words: json!({"dnsperf": count}),
            ..Said::default()
        })
    }
}
