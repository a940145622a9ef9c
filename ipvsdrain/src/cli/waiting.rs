//! Waiting for drains: all of them at once, until each is over or not to be waited for any longer.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::exit;
use super::progress::Progress;
use crate::api::client::{Client, ClientError};
use crate::api::{DrainView, ServerName};

/// Follows these drains and shows their progress. Returns how each was seen last, in the same order.
pub(super) async fn wait(
    client: &Client,
    mut drains: Vec<DrainView>,
    limit_secs: Option<u32>,
) -> Result<Vec<DrainView>, ClientError> {
    let mut progress = Progress::start(&drains);
    let end = limit_secs.map(|secs| Instant::now() + Duration::from_secs(u64::from(secs)));
    let (seen, mut news) = mpsc::channel(drains.len().max(1));
    for (number, drain) in drains.iter().enumerate() {
        progress.show(number, drain);
        tokio::spawn(follow(client.clone(), number, drain.clone(), seen.clone()));
    }
    drop(seen);
    loop {
        let next = match end {
            None => news.recv().await,
            Some(end) => timeout_at(end, news.recv()).await.unwrap_or(None),
        };
        let Some((number, view)) = next else { break };
        let view = match view {
            Ok(view) => view,
            Err(error) => {
                progress.end();
                return Err(error);
            }
        };
        progress.show(number, &view);
        drains[number] = view;
    }
    progress.end();
    Ok(drains)
}

type News = (usize, Result<DrainView, ClientError>);

/// Tells each view of one drain, until nothing is left to wait for or nobody listens.
async fn follow(client: Client, number: usize, drain: DrainView, seen: mpsc::Sender<News>) {
    let name = ServerName {
        service: drain.service,
        server: drain.server,
    };
    let (mut revision, mut settled) = (drain.revision, drain.is_settled());
    while !settled {
        let view = client.newer(&name, Some(revision)).await;
        settled = match &view {
            Ok(view) => {
                revision = view.revision;
                view.is_settled()
            }
            Err(_) => true,
        };
        if seen.send((number, view)).await.is_err() {
            return;
        }
    }
}

/// What a drain comes to after the wait, for a script.
pub(super) fn code(view: &DrainView) -> u8 {
    if view.is_settled() {
        exit::code_of_final(view)
    } else if view.evidence_unknown {
        exit::UNKNOWN
    } else {
        exit::NOT_IN_TIME
    }
}

/// The same for a person.
pub(super) fn sentence(view: &DrainView) -> String {
    if view.is_settled() {
        settled(view)
    } else {
        unfinished(view)
    }
}

/// How the wait for a drain ended.
fn settled(view: &DrainView) -> String {
    match &view.verdict {
        Some(verdict) => verdict.clone(),
        None if view.kept => "drained: proven empty, and kept at weight 0".to_owned(),
        None => {
            let held = view.held.as_deref().unwrap_or("the deadline passed");
            format!("still {}: {held}; the drain goes on", view.state)
        }
    }
}

/// Where a drain stands that is not over after the wait.
fn unfinished(view: &DrainView) -> String {
    if view.state.is_final() {
        return format!(
            "{}, but the wait was over before what that leaves behind was flushed and counted",
            view.state
        );
    }
    let held = view
        .held
        .as_deref()
        .map(|held| format!("; held: {held}"))
        .unwrap_or_default();
    format!("still {} after the wait{held}; the drain goes on", view.state)
}

/// One drain as an object, those of a host as one object with all of them; or a sentence for each.
pub(super) fn render(
    drains: &[DrainView],
    of_host: bool,
    as_json: bool,
    said: fn(&DrainView) -> String,
) -> String {
    match drains {
        [view] if as_json && !of_host => serde_json::json!(view).to_string(),
        _ if as_json => serde_json::json!({ "drains": drains }).to_string(),
        [view] if !of_host => said(view),
        _ => {
            let line = |view: &DrainView| format!("{} {}: {}", view.service, view.server, said(view));
            drains.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::view;
    use super::*;
    use crate::drain::State;

    #[test]
    fn a_wait_that_ends_early_says_what_is_left() {
        let at = |state| sentence(&DrainView { state, ..view() });
        assert_eq!(at(State::Quiet), "still quiet after the wait; the drain goes on");
        assert!(at(State::Removed).starts_with("removed, but the wait was over"));
    }
}
