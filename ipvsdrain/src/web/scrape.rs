//! `GET /metrics`: everything as it is at this moment.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::IntoResponse;

use super::Shared;
use crate::clock;
use crate::metrics::{Format, Sight, families, write};
use crate::supervise::Command;

pub(super) async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(ACCEPT).and_then(|header| header.to_str().ok());
    let format = Format::accepted(accept);
    let listed = shared.handle.ask(|reply| Command::List { reply }).await;
    let health = shared.handle.ask(|reply| Command::Health { reply }).await.unwrap_or_default();
    let (listing, attached) = match &listed {
        Ok((listing, attached)) => (Some(listing), attached.as_slice()),
        Err(_) => (None, &[][..]),
    };
    let drains = shared.handle.drains.borrow().clone();
    let journal = shared.handle.journal.borrow().clone();
    let config = shared.config.borrow().clone();
    let sight = Sight {
        now: clock::now(),
        listing,
        drains: &drains,
        health: &health,
        attached,
        journal: &journal,
        rules: &config.rules,
    };
    let text = write(&families(&sight, &shared.lifetime()), format);
    ([(CONTENT_TYPE, format.content_type())], text)
}
