//! `ipvsdrain`: one `ipvsdrain drain --pinned migrate --wait` per service the server is in, side by side.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::daemon::Daemon;
use crate::world::{Director, Place};

/// Longer than the client waits.
const PATIENCE: Duration = Duration::from_secs(430);

/// True if every drain ended with the server removed, and the kernel's table agrees.
pub(super) fn take_out(director: &Director, daemon: &Daemon<'_>, places: &[Place]) -> Result<bool> {
    let drains = places
        .iter()
        .map(|place| daemon.begin_drain(*place, &["--pinned", "migrate", "--timeout", "400s"]))
        .collect::<Result<Vec<_>>>()?;
    let mut removed = true;
    for (drain, place) in drains.into_iter().zip(places) {
        let end = drain.finish(PATIENCE)?;
        let gone = director.row(*place)?.is_none();
        ensure!(
            (end.code == Some(0)) == gone,
            "`ipvsdrain drain` of {} ended with {:?}, and the server {} in the table: {:?}",
            place.service,
            end.code,
            if gone { "is not" } else { "still is" },
            end.drain
        );
        removed &= gone;
    }
    Ok(removed)
}
