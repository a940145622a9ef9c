//! `GET /healthz`: 200 while the daemon's loop turns and its journal works, else 503 with the reason.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use super::Shared;
use crate::clock;

/// A loop that has not turned for this long hangs: it does twice a second.
const LONGEST_BEAT: Duration = Duration::from_secs(10);

pub(super) async fn healthz(State(shared): State<Shared>) -> (StatusCode, String) {
    let silent = clock::now().since(*shared.handle.beats.borrow());
    if silent > LONGEST_BEAT {
        let text = format!("the loop has not turned for {} s\n", silent.as_secs());
        return (StatusCode::SERVICE_UNAVAILABLE, text);
    }
    match &shared.handle.journal.borrow().fault {
        Some(fault) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the journal does not work: {fault}\n"),
        ),
        None => (StatusCode::OK, "ok\n".to_owned()),
    }
}
