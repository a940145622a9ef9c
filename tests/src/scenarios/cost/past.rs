//! A journal full of past drains: one that was, written down again for as many other servers.

use std::path::Path;

use anyhow::{Context, Result};
use ipvsdrain::drain::Record;
use ipvsdrain::supervise::journal::{FILE, Journal};

use crate::world::Place;

/// The newest past drain in this journal.
pub(super) fn last(state: &Path) -> Result<Record> {
    let records = Journal::open(&state.join(FILE))?.latest()?;
    records
        .into_iter()
        .next_back()
        .context("the journal is empty, and a drain was in it")
}

/// Writes `drain` down for each of these servers as one of `boot`.
pub(super) fn fill(state: &Path, drain: &Record, places: &[Place], boot: &str) -> Result<()> {
    let mut journal = Journal::open(&state.join(FILE))?;
    for place in places {
        let record = Record {
            id: 0,
            service: place.service,
            server: place.server,
            boot_id: boot.to_owned(),
            ..drain.clone()
        };
        journal.save(&record)?;
    }
    Ok(())
}
