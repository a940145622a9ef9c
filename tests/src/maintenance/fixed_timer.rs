//! `fixed-timer`: weight 0, a fixed sleep, delete. What most maintenance scripts do.

use std::time::Duration;

use anyhow::Result;

use super::Place;
use crate::clock;
use crate::world::Director;

const TIMER: Duration = Duration::from_secs(10);

/// True: it is removed.
pub(super) fn take_out(director: &Director, places: &[Place]) -> Result<bool> {
    for place in places {
        director.set_weight(&place.service, place.server, 0)?;
    }
    clock::pass(TIMER);
    for place in places {
        director.delete(&place.service, place.server)?;
    }
    Ok(true)
}
