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

/// A drain as the table shows it, to a look.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) drain: PendingDrain,
    /// When its weight was 0.
    pub(super) quiesced: Option<Moment>,
    /// When it was gone. None if that did not come in time, in a drain that has not ended either; the client is still
    /// waiting then.
    pub(super) gone: Option<Moment>,
}

/// Asks for the drain, and waits until the table shows the end of it, or until `until`.
pub(super) fn take_out_by(
    director: &Director,
    daemon: &Daemon<'_>,
    place: Place,
    until: Moment,
) -> Result<Taken> {
    let mut taken = Taken {
        drain: daemon.begin_drain(place, &[])?,
        quiesced: None,
        gone: None,
    };
    loop {
        // Asked before the table is looked at: what it did is in there once it has ended.
        let has_ended = taken.drain.await_end(LOOKS)?;
        let row = director.row(place)?;
        let now = clock::now();
        if row.as_ref().is_none_or(|row| row.weight == 0) {
            taken.quiesced.get_or_insert(now);
        }
        if row.is_none() {
            taken.gone = Some(now);
            return Ok(taken);
        }
        if has_ended {
            let end = taken.drain.finish(LOOKS)?;
            anyhow::bail!(
                "the drain ended with {:?}, and the server is there: {:?}",
                end.code,
                end.drain
            );
        }
        if now >= until {
            return Ok(taken);
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
