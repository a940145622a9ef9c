//! HTTP: wrk's short connections, and downloads by a silent client.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{Load, Said};
use crate::http::{self, Downloads};
use crate::world::World;

const CONNECTIONS: u16 = 4;
/// What each of them waits before its request.
const WAITS: Duration = Duration::from_millis(500);
/// So some six of them are under way at any time.
const DOWNLOADS_APART: Duration = Duration::from_secs(10);

pub(super) fn short(world: &World, port: u16) -> Result<http::Load> {
    http::Load::start(world, port, CONNECTIONS, WAITS)
}

pub(super) fn downloads(world: &World, port: u16) -> Result<Downloads> {
    Downloads::start(world, port, DOWNLOADS_APART)
}

impl Load for http::Load {
    fn finish(self: Box<Self>) -> Result<Said> {
        let count = (*self).finish()?;
        Ok(Said {
            broken: count.connect_errors + count.read_errors + count.write_errors + count.timeouts,
            words: json!({"wrk": count}),
            ..Said::default()
        })
    }
}

impl Load for Downloads {
    fn finish(self: Box<Self>) -> Result<Said> {
        let count = (*self).finish()?;
        Ok(Said {
            broken: count.broken,
            words: json!({"downloads": count}),
            ..Said::default()
        })
    }
}
