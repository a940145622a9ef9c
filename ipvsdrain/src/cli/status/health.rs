//! What `status` says of the health of servers beside its table: what somebody should look at, and what failed. Pure.

use crate::api::{self, DrainView, HealthView};
use crate::drain::{Reason, Stance, State};
use crate::identity::{RealServer, VirtualService};

pub(super) fn health_of(
    status: &api::Status,
    service: VirtualService,
    server: RealServer,
) -> Option<&HealthView> {
    let is_it = |health: &&HealthView| (health.service, health.server) == (service, server);
    status.health.iter().find(is_it)
}

/// What somebody should look at; where a whole service fails, once.
pub(super) fn alarms(health: &[HealthView]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for health in health.iter().filter(|health| health.alarm) {
        let HealthView {
            service,
            server,
            doing,
            ..
        } = health;
        let line = match health.stance {
            Stance::AllFail => format!("ALARM {service}: {ALL_FAIL}"),
            _ => format!("ALARM {service} {server}: {doing}"),
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

const ALL_FAIL: &str =
    "all its servers fail: more likely whoever checks them is at fault, so nothing is done about them";

/// What a drain for failure is about, and of a removed server when it comes back.
pub(super) fn failed(drain: &DrainView, health: Option<&HealthView>) -> Vec<String> {
    let Some(failure) = &drain.failure else {
        return Vec::new();
    };
    let what = format!("{} ({})", failure.cause, failure.source);
    match drain.state {
        State::Restored | State::Yielded => Vec::new(),
        _ if drain.reason != Reason::Failure => {
            vec![format!("maintenance took it over; it had failed: {what}")]
        }
        _ => {
            let back = health.filter(|_| drain.state == State::Removed);
            let failed = std::iter::once(format!("failed: {what}"));
            failed.chain(back.map(|health| health.doing.clone())).collect()
        }
    }
}
