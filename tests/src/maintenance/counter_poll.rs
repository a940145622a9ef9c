//! `counter-poll`: weight 0, delete once the kernel's connection counters read zero.

use std::time::Duration;

use anyhow::Result;
use ipvsdrain::moment::Moment;

use crate::clock;
use crate::world::{Director, Place};

const EVERY: Duration = Duration::from_secs(1);
/// Longer than the kernel keeps a silent UDP flow (300 s and its timer's slack). A flow that never stops never lets
/// the counters reach zero.
pub(super) const PATIENCE: Duration = Duration::from_secs(330);

/// False if some counter had not reached zero by `deadline`; then nothing is left half done but weight 0.
pub(super) fn take_out(director: &Director, places: &[Place], deadline: Moment) -> Result<bool> {
    for place in places {
        director.set_weight(*place, 0)?;
    }
    let mut left = places.to_vec();
    while clock::now() < deadline {
        let table = director.table()?;
        let (idle, busy) = left.into_iter().partition::<Vec<_>, _>(|place| {
            table
                .iter()
                .any(|row| row.place == *place && row.active + row.inactive == 0)
        });
        for place in idle {
            director.delete(place)?;
        }
        if busy.is_empty() {
            return Ok(true);
        }
        left = busy;
        clock::pass(EVERY);
    }
    Ok(false)
}
