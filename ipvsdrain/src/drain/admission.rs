//! How a drain begins, and how it is undone.

use super::facts::{AtZero, Service, Table};
use super::failing::Failure;
use super::floor::Capacity;
use super::lending::Borrowed;
use super::policy::{FallbackUse, Policy};
use super::record::{Observed, Reason, Record, TakenOver, Transition};
use super::refusal::Refusal;
use super::state::State;
use crate::forwarding::Configuration;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub service: VirtualService,
    pub server: RealServer,
    pub policy: Policy,
    pub reason: Reason,
    pub who: String,
    pub why: String,
    pub ticket: String,
    /// In spite of the capacity floor. Needs a `why`.
    pub forced: bool,
    pub shadow: bool,
    /// The weight in service of a server that is at 0 already, where it is known.
    pub weight_before: Option<u32>,
    /// Of a drain for failure: what failed.
    pub failure: Option<Failure>,
}

/// What a request is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    pub table: &'a Table,
    /// The service around the server, where it is known.
    pub service: Option<&'a Service>,
    /// What would be left without the server.
    pub capacity: Capacity,
    pub boot_id: &'a str,
    /// Seconds since 1970.
    pub now_unix: u64,
}

/// Admits a drain: the record to journal before anything is done.
pub fn begin(request: &Request, ground: &Ground<'_>, now: Moment) -> Result<Record, Refusal> {
    let Request {
        service,
        server,
        policy,
        reason,
        who,
        why,
        ticket,
        forced,
        shadow,
        weight_before,
        failure,
    } = request.clone();
    policy.check()?;
    let present = match ground.table {
        Table::Unknown(fault) => return Err(Refusal::TableUnknown(fault.clone())),
        Table::NoService => return Err(Refusal::NoService(service)),
        Table::NoServer => return Err(Refusal::NoServer { service, server }),
        Table::Present(present) => present,
    };
    if forced && why.trim().is_empty() {
        return Err(Refusal::ForceNeedsReason);
    }
    // What is at weight 0 already costs no new flow any more, and what nobody touches costs none at all.
    if !shadow && present.configuration.weight > 0 {
        check_scheduler(request, ground.service)?;
        check_floor(request, ground.capacity)?;
    }
    Ok(Record {
        id: 0,
        service,
        server,
        reason,
        who,
        why,
        ticket,
        forced,
        shadow,
        policy,
        before: Configuration {
            weight: weight_before
                .filter(|_| present.configuration.weight == 0)
                .unwrap_or(present.configuration.weight),
            ..present.configuration
        },
        capacity: ground.capacity,
        state: State::Pooled,
        transitions: Vec::new(),
        removal: None,
        outcome: None,
        ahead: None,
        borrowed: Borrowed::default(),
        overdue: None,
        reasserted: 0,
        gone_since: None,
        at_quiesce: None,
        failure,
        ramp: None,
        taken_over: None,
        would_remove_at: None,
        boot_id: ground.boot_id.to_owned(),
        started_at: now,
        started_unix: ground.now_unix,
        observed: Observed::default(),
    })
}

fn check_scheduler(request: &Request, around: Option<&Service>) -> Result<(), Refusal> {
    let Some(scheduler) = around.map(|around| &around.scheduler) else {
        return Err(Refusal::TableUnknown(
            "how its service schedules was not read".to_owned(),
        ));
    };
    let (service, name) = (request.service, scheduler.name.clone());
    match scheduler.at_zero {
        AtZero::Fallback(false) if request.policy.fallback == FallbackUse::Refuse => {
            Err(Refusal::SchedulerDrops {
                service,
                scheduler: name,
            })
        }
        AtZero::Drops => Err(Refusal::SchedulerAlwaysDrops {
            service,
            scheduler: name,
        }),
        AtZero::Skips | AtZero::Fallback(_) => Ok(()),
    }
}

fn check_floor(request: &Request, capacity: Capacity) -> Result<(), Refusal> {
    let Request {
        service,
        server,
        policy,
        forced,
        ..
    } = request;
    match policy.floor.check(capacity) {
        Err(shortfall) if !forced => Err(Refusal::Floor {
            service: *service,
            server: *server,
            shortfall,
        }),
        _ => Ok(()),
    }
}

/// Maintenance of a server that is drained, or was removed, for its failure: from now on the same drain is the one that
/// was asked for, and no health puts the server back. `None` if this is no such drain.
pub fn take_over(record: &Record, request: &Request, now: Moment, now_unix: u64) -> Option<Record> {
    let is_for_failure = record.reason == Reason::Failure && request.reason != Reason::Failure;
    let is_down = !record.state.is_final() || record.state == State::Removed;
    if !is_for_failure || !is_down || record.shadow {
        return None;
    }
    let mut next = Record {
        reason: request.reason,
        who: request.who.clone(),
        why: request.why.clone(),
        ticket: request.ticket.clone(),
        forced: request.forced,
        policy: request.policy,
        // Its deadlines, and what a marker asked for, count from here.
        taken_over: Some(TakenOver {
            at: now,
            unix: now_unix,
        }),
        overdue: None,
        ..record.clone()
    };
    // On its way back it turns around.
    if record.state == State::Restoring {
        next.state = State::Pooled;
        next.outcome = None;
        if let Some(ramp) = &mut next.ramp {
            ramp.turned = true;
        }
        next.transitions.push(Transition {
            at: now,
            from: record.state,
            to: State::Pooled,
            why: "maintenance was asked for".to_owned(),
            evidence: None,
        });
    }
    Some(next)
}

/// A server that was removed for its failure comes back, because it is well again.
pub fn recover(record: &Record, why: &str, now: Moment) -> Record {
    let mut next = record.clone();
    if let Some(failure) = &mut next.failure {
        failure.recovered = true;
    }
    next.transitions.push(Transition {
        at: now,
        from: record.state,
        to: State::Restoring,
        why: why.to_owned(),
        evidence: None,
    });
    next.state = State::Restoring;
    next
}

/// A server that was removed for its failure is in the table again, and not by us: from now on it is not ours.
pub fn put_back_by_another(record: &Record, weight: u32, now: Moment) -> Option<Record> {
    let is_ours = record.reason == Reason::Failure && record.state == State::Removed && record.is_over();
    is_ours.then(|| {
        let mut next = record.clone();
        next.state = State::Yielded;
        next.transitions.push(Transition {
            at: now,
            from: record.state,
            to: State::Yielded,
            why: format!("another hand put it back with weight {weight}"),
            evidence: None,
        });
        next
    })
}

/// Turns a drain around: the server gets its weight back, or comes back into the table if we removed it.
pub fn restore(record: &Record, now: Moment) -> Result<Record, Refusal> {
    let (service, server) = (record.service, record.server);
    if matches!(record.state, State::Restored | State::Yielded) {
        return Err(Refusal::NothingToRestore { service, server });
    }
    if record.reason == Reason::Adopted && record.before.weight == 0 && !record.shadow {
        return Err(Refusal::WeightUnknown { service, server });
    }
    let (to, why) = if record.shadow {
        (
            State::Yielded,
            "asked to restore; in shadow mode nothing had been changed",
        )
    } else {
        (State::Restoring, "asked to restore")
    };
    let mut next = record.clone();
    // By hand, and not because it is well: no failure turns it around.
    if let Some(failure) = &mut next.failure {
        failure.recovered = false;
    }
    if record.state != to {
        next.transitions.push(Transition {
            at: now,
            from: record.state,
            to,
            why: why.to_owned(),
            evidence: None,
        });
        next.state = to;
    }
    Ok(next)
}
