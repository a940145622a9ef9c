//! The status page: `/` with what it is made of, and `/events` with what it shows, once a second while somebody looks.
//!
//! However many look, the supervisor is asked once. What moves is kept for some minutes whether anybody looks or not, so that a
//! page opened in mid-drain shows how it came there. Nothing can be changed here.

mod assets;
#[cfg(test)]
mod browser_tests;
mod drains;
mod events;
mod past;
#[cfg(test)]
mod past_tests;
mod sampler;
#[cfg(test)]
mod scene_tests;
mod services;
#[cfg(test)]
mod stage_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trouble_tests;
mod view;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::routing::get;
use tokio::sync::{Notify, Semaphore, watch};

use self::past::Past;
use self::sampler::Shot;
use super::Shared;

/// How many pages may be open at once: each is a connection that stays, and half of all are left to whoever else asks.
const MOST_READERS: usize = 32;

/// What all open pages share.
#[derive(Debug)]
pub(super) struct Page {
    /// What this host is called, for whoever has several pages open.
    host: String,
    past: Mutex<Past>,
    /// The newest of what is shown.
    shots: watch::Sender<Option<Arc<Shot>>>,
    /// Somebody began to look.
    wanted: Notify,
    seats: Arc<Semaphore>,
}

impl Page {
    pub(super) fn of_this_host() -> Self {
        let name = nix::unistd::gethostname().unwrap_or_default();
        Self::of(&name.to_string_lossy())
    }

    fn of(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            past: Mutex::default(),
            shots: watch::channel(None).0,
            wanted: Notify::new(),
            seats: Arc::new(Semaphore::new(MOST_READERS)),
        }
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn routes() -> Router<Shared> {
    assets::routes().route("/events", get(events::events))
}

/// Remembers what moves, and looks while somebody wants to see. Never ends.
pub(super) async fn keep_up(shared: &Shared) {
    tokio::join!(past::keep(shared), sampler::sample(shared));
}
