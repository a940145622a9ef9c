//! `GET /events`: what the page shows, as server-sent events. Whoever reads slowly gets the newest, not all of it.
//!
//! `past` is what moved in the last minutes, at the beginning and after a gap; `now` is everything as it is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{HeaderName, RETRY_AFTER};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures_util::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::super::Shared;
use super::assets::GUARDS;
use super::sampler::{Shot, is_fresh};
use super::{MOST_READERS, Page};

/// A comment is sent after this long without news, so that both ends notice when the other is gone.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);

/// One open page.
struct Reader {
    page: Arc<Page>,
    shots: watch::Receiver<Option<Arc<Shot>>>,
    /// The number of the shot it was sent last.
    told: Option<u64>,
    _seat: OwnedSemaphorePermit,
}

pub(super) async fn events(State(shared): State<Shared>) -> Response {
    let page = shared.page;
    let Ok(seat) = page.seats.clone().try_acquire_owned() else {
        let text = format!("{MOST_READERS} pages are open already: close one\n");
        let refusal = (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")], text);
        return (GUARDS, refusal).into_response();
    };
    let mut shots = page.shots.subscribe();
    if shots.borrow().as_ref().is_some_and(|shot| is_fresh(shot)) {
        shots.mark_changed();
    }
    page.wanted.notify_one();
    let reader = Reader {
        page,
        shots,
        told: None,
        _seat: seat,
    };
    let events = stream::unfold(reader, Reader::next).flat_map(stream::iter);
    let alive = KeepAlive::new().interval(LONGEST_SILENCE);
    // Without it a proxy may keep events back until it has a bufferful of them.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    (GUARDS, unbuffered, Sse::new(events).keep_alive(alive)).into_response()
}

impl Reader {
    async fn next(mut self) -> Option<(Vec<Result<Event, Infallible>>, Self)> {
        self.shots.changed().await.ok()?;
        let shot = self.shots.borrow_and_update().clone()?;
        let mut news = Vec::new();
        if self.told.is_none_or(|told| shot.number != told + 1) {
            let past = self.page.past().written();
            news.push(Ok(Event::default().event("past").data(past)));
        }
        news.push(Ok(Event::default().event("now").data(&shot.text)));
        self.told = Some(shot.number);
        Some((news, self))
    }
}
