//! What a service manager such as systemd is told: ready, status, reloading, stopping, and that the daemon is alive.
//! Where there is none, nobody is told anything.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;
use tracing::warn;

use crate::drain::Record;
use crate::supervise::Handle;

/// Sends it, if there is somebody to send it to.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("the service manager cannot be told: {error}");
    }
}

pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

pub(super) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!("the monotonic clock cannot be read: {error}"),
    }
}

pub(super) fn reloaded(outcome: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(outcome)]);
}

/// Tells of each beat of the supervisor's loop as the watchdog wants it, and of the drains when they change. Ends with
/// the supervisor.
pub(super) async fn keep_told(mut handle: Handle) {
    // Twice as often as it must be: a late one is no end.
    let ping_every = sd_notify::watchdog_enabled().map(|limit| limit / 2);
    let mut last_ping: Option<Instant> = None;
    let mut told = String::new();
    while handle.beats.changed().await.is_ok() {
        let is_due =
            |every: Duration| last_ping.is_none_or(|last| last.elapsed() + Duration::from_secs(1) >= every);
        if ping_every.is_some_and(is_due) {
            tell(&[NotifyState::Watchdog]);
            last_ping = Some(Instant::now());
        }
        let fault = handle.journal.borrow().fault.is_some();
        let status = status(&handle.drains.borrow(), fault);
        if status != told {
            tell(&[NotifyState::Status(&status)]);
            told = status;
        }
    }
}

/// The daemon in one line.
fn status(records: &[Record], is_journal_broken: bool) -> String {
    if is_journal_broken {
        return "the journal does not work: nothing is begun, changed or removed".to_owned();
    }
    let open: Vec<&Record> = records.iter().filter(|record| !record.is_over()).collect();
    let held = open
        .iter()
        .filter(|record| record.observed.held.is_some())
        .count();
    match (open.len(), held) {
        (0, _) => "no drain under way".to_owned(),
        (1, 0) => "1 drain under way".to_owned(),
        (1, _) => "1 drain under way, held".to_owned(),
        (all, 0) => format!("{all} drains under way"),
        (all, held) => format!("{all} drains under way, {held} of them held"),
    }
}
