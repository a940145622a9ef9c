//! `ipvsdrain`: one `ipvsdrain drain --wait` per service the server is in, side by side.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::moment::Moment;
use tempfile::TempDir;

use super::Strategy;
use crate::clock;
use crate::daemon::{Daemon, PendingDrain};
use crate::world::{Director, Place, World};

/// Longer than the client waits.
const PATIENCE: Duration = Duration::from_secs(430);
const LOOKS: Duration = Duration::from_millis(250);

/// The daemon, configured as its strategy says; it runs all the time, as it does for whoever uses it.
pub(super) fn start(strategy: Strategy, world: &World) -> Result<Option<Daemon<'_>>> {
    let policy = match strategy {
        Strategy::Ipvsdrain => "",
        Strategy::IpvsdrainMigrate => "[policy]\npinned = \"migrate\"\n",
        _ => return Ok(None),
    };
    // Read at its start, and never again.
    let folder = TempDir::new().context("cannot make a folder for a configuration")?;
    let path = folder.path().join("config.toml");
    fs::write(&path, policy).context("cannot write a configuration")?;
    let path = path.to_string_lossy();
    Daemon::start(world, &["--config", &path]).map(Some)
}

/// Asks for the drain, and waits until the table shows the end of it. None if that does not come until `until`, in a
/// drain that has not ended either; the client is still waiting then.
pub(super) fn take_out_by(
    director: &Director,
    daemon: &Daemon<'_>,
    place: Place,
    until: Moment,
) -> Result<(PendingDrain, Option<Moment>)> {
    let drain = daemon.begin_drain(place, &[])?;
    loop {
        // Asked before the table is looked at: what it did is in there once it has ended.
        let has_ended = drain.await_end(LOOKS)?;
        if director.row(place)?.is_none() {
            return Ok((drain, Some(clock::now())));
        }
        if has_ended {
            let end = drain.finish(LOOKS)?;
            anyhow::bail!(
                "the drain ended with {:?}, and the server is there: {:?}",
                end.code,
                end.drain
            );
        }
        if clock::now() >= until {
            return Ok((drain, None));
        }
    }
}

/// True if every drain ended with the server removed, and the kernel's table agrees.
pub(super) fn take_out(director: &Director, daemon: &Daemon<'_>, places: &[Place]) -> Result<bool> {
    let drains = places
        .iter()
        .map(|place| daemon.begin_drain(*place, &["--timeout", "400s"]))
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
