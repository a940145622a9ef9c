//! `GET /v1/events`: each drain as it stands, and again whenever it changes, as server-sent events.
//!
//! An event is named `drain` and holds a [`DrainView`]. Whoever reads slowly misses what lies between, never the newest.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt, stream};

use super::drain_view::DrainView;
use crate::drain::Record;
use crate::supervise::Handle;

/// A comment is sent after this long without news, so that both ends notice when the other is gone.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);

/// What a reader was told last of each drain: all but when it was looked at.
type Told = BTreeMap<u64, DrainView>;

pub(super) async fn events(
    State(handle): State<Handle>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let drains = handle.drains;
    let batches = stream::unfold(
        (drains, Told::new(), true),
        |(mut drains, mut told, is_first)| async move {
            if !is_first {
                drains.changed().await.ok()?;
            }
            let news = news(&mut told, &drains.borrow_and_update());
            Some((news, (drains, told, false)))
        },
    );
    let events = batches.flat_map(stream::iter).map(|view| {
        let event = Event::default().event("drain");
        // A view is plain data: it can always be written out.
        Ok(event.json_data(&view).unwrap_or_default())
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(LONGEST_SILENCE))
}

/// The drains that are not as they were told.
fn news(told: &mut Told, records: &[Record]) -> Vec<DrainView> {
    let mut news = Vec::new();
    for record in records {
        let view = DrainView::from(record);
        let timeless = DrainView {
            revision: 0,
            seconds_since_start: 0.0,
            ..view.clone()
        };
        if told.insert(record.id, timeless.clone()).as_ref() != Some(&timeless) {
            news.push(view);
        }
    }
    news
}
