//! Tries the real servers of the services that the configuration names, and hands on what each try found.
//!
//! Nothing is decided here: what so many failures mean, and what becomes of a server, is for others to say. What a check
//! cannot tell, because this host is at fault, is no result and never a failure.

mod hex;
mod job;
mod kind;
mod path;
mod probe;
mod read;
mod run;
mod schedule;
#[cfg(test)]
mod schedule_tests;
mod settings;
#[cfg(test)]
mod settings_tests;
mod target;
#[cfg(test)]
mod tests;
mod wanted;
mod written;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use self::job::Job;
pub use self::kind::{Exchange, Get, Kind, Question, Secure};
pub use self::settings::{Check, CheckError, Wrong, first_wrong};
pub use self::target::Via;
use self::wanted::{Wanted, wanted};
pub use self::written::{Dns, Exec, Http, Https, Record, Tcp, Tls, Udp};
use crate::config::Config;
use crate::health::Finding;
use crate::supervise::{Command, Handle};

/// A server that appears or disappears, and a configuration that changes, is noticed within this time.
const PERIOD: Duration = Duration::from_secs(1);

/// Makes the checks of the current configuration for good, as long as somebody takes what they find.
pub async fn follow(config: watch::Receiver<Config>, handle: Handle, findings: mpsc::Sender<Finding>) {
    let at_once = config.borrow().settings.daemon.checks_at_once();
    let (tell, told) = watch::channel(Wanted::new());
    tokio::select! {
        () = learn(config, handle, &tell) => {}
        () = run::run(told, at_once, findings) => {}
    }
}

/// Learns each second what is to be checked. Where nothing is configured, nothing is asked.
async fn learn(config: watch::Receiver<Config>, handle: Handle, tell: &watch::Sender<Wanted>) {
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut checks: Vec<Check> = Vec::new();
    let mut jobs: Vec<Arc<Job>> = Vec::new();
    loop {
        tick.tick().await;
        let configured = config.borrow().settings.check.clone();
        if configured != checks {
            jobs = configured.iter().filter_map(Job::of).map(Arc::new).collect();
            checks = configured;
        }
        let new = if jobs.is_empty() {
            Wanted::new()
        } else {
            let Ok((listing, _)) = handle.ask(|reply| Command::List { reply }).await else {
                continue; // The table cannot be read: what was to be checked still is.
            };
            wanted(&jobs, &listing, &handle.drains.borrow())
        };
        tell.send_if_modified(|known| {
            let changed = *known != new;
            *known = new;
            changed
        });
    }
}
