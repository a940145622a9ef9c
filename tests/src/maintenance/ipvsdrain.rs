//! `ipvsdrain`: one `ipvsdrain drain --pinned migrate --wait` per service the server is in, side by side.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Place;
use crate::daemon::Daemon;
use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(400);

/// True if every drain ended with the server removed, and the kernel's table agrees.
pub(super) fn take_out(world: &World, places: &[Place]) -> Result<bool> {
    let daemon = Daemon::start(world, &[])?;
    let drains = places
        .iter()
        .map(|place| daemon.begin_drain(&place.service, place.server, &["--pinned", "migrate"]))
        .collect::<Result<Vec<_>>>()?;
    let mut removed = true;
    for (drain, place) in drains.into_iter().zip(places) {
        let end = drain.finish(PATIENCE)?;
        let gone = world.director().row(&place.service, place.server)?.is_none();
        ensure!(
            end.removed == gone,
            "`ipvsdrain drain` of {} ended with {}, and the server {} in the table: {}",
            place.service,
            end.exit,
            if gone { "is not" } else { "still is" },
            end.record
        );
        removed &= gone;
    }
    Ok(removed)
}
