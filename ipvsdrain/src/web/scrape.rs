//! `GET /metrics`: everything as it is at this moment.

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{Shared, packed};
use crate::clock;
use crate::metrics::{Format, Sight, families, of_the_process, write};
use crate::supervise::{Command, Overview};

pub(super) async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|header| header.to_str().ok());
    let format = Format::accepted(accept);
    // A scrape that shows half of it would say that the rest is gone.
    let overview = match shared.handle.ask(|reply| Command::Overview { reply }).await {
        Ok(overview) => overview,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    };
    // Thousands of servers make megabytes of text: the daemon's loop, which has one thread, goes on meanwhile.
    let is_gzip_taken = packed::is_taken(&headers);
    let made = tokio::task::spawn_blocking(move || {
        let text = page(&shared, &overview, format);
        match is_gzip_taken.then(|| packed::gzip(&text)).flatten() {
            Some(packed) => ([(CONTENT_ENCODING, "gzip")], packed).into_response(),
            None => text.into_response(),
        }
    });
    let head = [
        (CONTENT_TYPE, format.content_type()),
        (VARY, "accept, accept-encoding"),
    ];
    match made.await {
        Ok(response) => (head, response).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

fn page(shared: &Shared, overview: &Overview, format: Format) -> String {
    let drains = shared.handle.drains.borrow().clone();
    let journal = shared.handle.journal.borrow().clone();
    let rules = shared.config.borrow().rules.clone();
    let sight = Sight {
        now: clock::now(),
        listing: overview.listing.as_ref().ok(),
        drains: &drains,
        health: &overview.health,
        attached: &overview.attached,
        journal: &journal,
        rules: &rules,
        usage: overview.usage.as_ref(),
        tally: &overview.tally,
        reloads: *shared.reloads.borrow(),
    };
    let mut families = families(&sight, &shared.lifetime());
    families.extend(of_the_process());
    write(&families, format)
}
