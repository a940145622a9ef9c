//! Servers that fail, under ipvsdrain and under what is used today: one that reboots, a checker that flaps, and a
//! service whose servers all fail.

mod all_down;
mod flapping;
mod fresh;
mod ours;
mod reach;
mod rebooted;
mod recursor;

pub(in crate::scenarios) use all_down::SCENARIO as ALL_DOWN;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::clock;
use crate::daemon::Daemon;
use crate::world::Place;

pub(in crate::scenarios) use flapping::SCENARIO as FLAPPING;
pub(in crate::scenarios) use reach::SCENARIO as REACH;
pub(in crate::scenarios) use rebooted::SCENARIO as REBOOTED;

/// Longer than any of these checks takes to remove a server, and than a second hold-down.
const LIMIT: Duration = Duration::from_secs(45);

/// Waits until the status says so of this server's health.
fn await_health(daemon: &Daemon<'_>, place: Place, word: &str) -> Result<()> {
    let deadline = clock::now() + LIMIT;
    loop {
        let said = daemon.health(place)?;
        if said.as_deref() == Some(word) {
            return Ok(());
        }
        ensure!(
            clock::now() < deadline,
            "the health of {place} was to be \"{word}\" and is {said:?}: {}",
            daemon.log()
        );
        clock::pass(Duration::from_millis(200));
    }
}
