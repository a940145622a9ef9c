//! `delete`: the server is deleted from the table at once.

use anyhow::Result;

use super::Place;
use crate::world::Director;

/// True: it is removed.
pub(super) fn take_out(director: &Director, places: &[Place]) -> Result<bool> {
    for place in places {
        director.delete(&place.service, place.server)?;
    }
    Ok(true)
}
