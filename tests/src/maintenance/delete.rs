//! `delete`: the server is deleted from the table at once.

use anyhow::Result;

use crate::world::{Director, Place};

/// True: it is removed.
pub(super) fn take_out(director: &Director, places: &[Place]) -> Result<bool> {
    for place in places {
        director.delete(*place)?;
    }
    Ok(true)
}
