//! HTTP over TCP, to look at and nothing else: `/` for a person, `/metrics` for Prometheus, `/healthz` for whoever
//! watches the daemon.
//!
//! Asks the supervisor as any client does. Whoever is to act uses the socket of [`crate::api`].

mod door;
mod guard;
#[cfg(test)]
mod guarded_tests;
mod healthz;
mod packed;
mod page;
mod scrape;
#[cfg(test)]
mod tests;
mod users;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::routing::get;
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::door::Limits;
pub use self::guard::{Guard, GuardError};
use self::page::Page;
use crate::config::{Config, Reloads};
use crate::metrics::{Lifetime, LifetimeError};
use crate::supervise::Handle;

/// What the routes share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    handle: Handle,
    config: watch::Receiver<Config>,
    reloads: watch::Receiver<Reloads>,
    lifetime: Arc<Mutex<Lifetime>>,
    page: Arc<Page>,
}

impl Shared {
    fn lifetime(&self) -> MutexGuard<'_, Lifetime> {
        self.lifetime.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why it does not listen.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error("cannot listen on {0} for HTTP: {1}; choose another address with `listen` in [web], or \"off\"")]
    Listen(SocketAddr, std::io::Error),
    #[error(transparent)]
    Metrics(#[from] LifetimeError),
}

/// The bound listener, not serving yet.
#[derive(Debug)]
pub struct Web {
    listener: TcpListener,
    shared: Shared,
    guard: watch::Receiver<Guard>,
    limits: Limits,
}

impl Web {
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn bind(
        address: SocketAddr,
        handle: Handle,
        config: watch::Receiver<Config>,
        reloads: watch::Receiver<Reloads>,
    ) -> Result<Self, WebError> {
        let listener = TcpListener::bind(address).await;
        Ok(Self {
            listener: listener.map_err(|error| WebError::Listen(address, error))?,
            shared: Shared {
                handle,
                config,
                reloads,
                lifetime: Arc::new(Mutex::new(Lifetime::new()?)),
                page: Arc::new(Page::of_this_host()),
            },
            guard: watch::channel(Guard::default()).1,
            limits: Limits::USUAL,
        })
    }

    /// Lets in whom this guard lets in; without one, everybody.
    #[must_use]
    pub fn guarded(self, guard: watch::Receiver<Guard>) -> Self {
        Self { guard, ..self }
    }

    /// Serves until dropped.
    ///
    /// # Errors
    /// If the listener fails for good.
    pub async fn serve(self) -> std::io::Result<()> {
        let asked = middleware::from_fn_with_state(self.guard.clone(), users::ask);
        let router = router(self.shared.clone()).layer(asked);
        tokio::select! {
            () = door::serve(self.listener, router, self.guard, self.limits) => Ok(()),
            () = page::keep_up(&self.shared) => Ok(()),
            () = keep_count(self.shared.clone()) => Ok(()),
        }
    }
}

/// All that can be looked at. Who may is asked around it.
fn router(shared: Shared) -> Router {
    Router::new()
        .route("/metrics", get(scrape::metrics))
        .route("/healthz", get(healthz::healthz))
        .merge(page::routes())
        .with_state(shared)
}

/// Counts what comes to its end, whether anybody scrapes or not.
async fn keep_count(shared: Shared) {
    let mut drains = shared.handle.drains.clone();
    loop {
        let records = drains.borrow_and_update().clone();
        // Before the journal was read there seem to be no drains: a look then would take all of the past for news.
        if shared.handle.journal.borrow().drains_known {
            shared.lifetime().see(&records);
        }
        if drains.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
