//! Watching a daemon's drains from outside, second by second, up to their end.

use std::time::Duration;

use anyhow::{Result, ensure};
use ipvsdrain::api::DrainView;
use ipvsdrain::moment::Moment;

use crate::clock;
use crate::daemon::{Daemon, DrainEnd, PendingDrain};
use crate::world::{Place, World};

const EVERY: Duration = Duration::from_secs(1);

/// What was seen of one drain.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) place: Place,
    /// What the daemon showed, one per second, as far as it was news.
    pub(super) views: Vec<DrainView>,
    /// When the server was first missing in the kernel's table; it was there a second before.
    pub(super) gone_at: Option<Moment>,
    pub(super) end: DrainEnd,
}

/// Follows drains until the last client that waits for one has ended.
pub(super) fn until_the_end(
    world: &World,
    daemon: &Daemon<'_>,
    drains: Vec<(Place, PendingDrain)>,
    limit: Duration,
) -> Result<Vec<Watched>> {
    let deadline = clock::now() + limit;
    let mut next = clock::now();
    let mut views: Vec<Vec<DrainView>> = drains.iter().map(|_| Vec::new()).collect();
    let mut gone: Vec<Option<Moment>> = vec![None; drains.len()];
    loop {
        let status = daemon.status()?;
        let table = world.director().table()?;
        let now = clock::now();
        for (number, (place, _)) in drains.iter().enumerate() {
            let of = |view: &&DrainView| (view.service, view.server) == (place.service, place.server);
            let view = status.drains.iter().find(of);
            let is_news = |view: &&DrainView| {
                views[number]
                    .last()
                    .is_none_or(|last| last.revision < view.revision)
            };
            if let Some(view) = view.filter(is_news) {
                views[number].push(view.clone());
            }
            if gone[number].is_none() && !table.iter().any(|row| row.place == *place) {
                gone[number] = Some(now);
            }
        }
        next = next + EVERY;
        let mut all_ended = true;
        for (_, drain) in &drains {
            all_ended &= drain.await_end(next.since(clock::now()))?;
        }
        if all_ended {
            break;
        }
        ensure!(
            now < deadline,
            "the drains had not ended after {limit:?}; the daemon shows {:?}; it printed: {}",
            status.drains,
            daemon.log()
        );
    }
    drains
        .into_iter()
        .zip(views)
        .zip(gone)
        .map(|(((place, drain), views), gone_at)| {
            let end = drain.finish(EVERY)?;
            let gone_at = match gone_at {
                None if world.director().row(place)?.is_none() => Some(clock::now()),
                known => known,
            };
            Ok(Watched {
                place,
                views,
                gone_at,
                end,
            })
        })
        .collect()
}
