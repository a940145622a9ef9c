//! `fixed-timer`: weight 0, a fixed sleep, delete. What most maintenance scripts do.

use std::time::Duration;

use anyhow::Result;

use crate::clock;
use crate::world::{Director, Place};

/// True: it is removed.
pub(super) fn take_out(director: &Director, places: &[Place], timer: Duration) -> Result<bool> {
    for place in places {
        director.set_weight(*place, 0)?;
    }
    clock::pass(timer);
    for place in places {
        director.delete(*place)?;
    }
    Ok(true)
}
