//! `counter-poll`: weight 0, delete once the kernel's connection counters read zero.

use std::time::Duration;

use anyhow::Result;

use super::Place;
use crate::clock;
use crate::world::Director;

const EVERY: Duration = Duration::from_secs(1);
/// A flow that never stops never lets the counters reach zero.
const PATIENCE: Duration = Duration::from_secs(400);

/// False if some counter had not reached zero when patience ran out; then nothing is left half done but weight 0.
pub(super) fn take_out(director: &Director, places: &[Place]) -> Result<bool> {
    for place in places {
        director.set_weight(&place.service, place.server, 0)?;
    }
    let deadline = clock::now() + PATIENCE;
    let mut left = places.to_vec();
    while clock::now() < deadline {
        let table = director.table()?;
        let (idle, busy) = left.into_iter().partition::<Vec<_>, _>(|place| {
            table.iter().any(|row| {
                row.service == place.service && row.server == place.server && row.active + row.inactive == 0
            })
        });
        for place in idle {
            director.delete(&place.service, place.server)?;
        }
        if busy.is_empty() {
            return Ok(true);
        }
        left = busy;
        clock::pass(EVERY);
    }
    Ok(false)
}
