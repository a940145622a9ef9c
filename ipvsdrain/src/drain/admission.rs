//! How a drain begins, and how it is undone.

use super::facts::Table;
use super::policy::{Policy, PolicyError};
use super::record::{Observed, Record, State, Transition};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub service: VirtualService,
    pub server: RealServer,
    pub policy: Policy,
    pub who: String,
    pub why: String,
}

/// Why a drain does not begin, or cannot be undone. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("virtual service {0} does not exist: `ipvsdrain status` lists those that do")]
    NoService(VirtualService),
    #[error("real server {server} is not behind {service}: `ipvsdrain status` lists those that are")]
    NoServer {
        service: VirtualService,
        server: RealServer,
    },
    #[error("the IPVS table cannot be read: {0}")]
    TableUnknown(String),
    #[error(
        "scheduler {scheduler} of {service} drops new flows while a server has weight 0: set its fallback flag \
         (`ipvsadm -E … -b {scheduler}-fallback`), or use another scheduler"
    )]
    SchedulerDrops {
        service: VirtualService,
        scheduler: String,
    },
    #[error(
        "{server} is the last real server of {service} with a weight: draining it would leave no server for new flows"
    )]
    LastServer {
        service: VirtualService,
        server: RealServer,
    },
    #[error(
        "{server} is already {state} in {service}: `ipvsdrain status` shows it, `ipvsdrain restore` undoes it"
    )]
    AlreadyDraining {
        service: VirtualService,
        server: RealServer,
        state: State,
    },
    #[error(
        "the last drain of {server} from {service} is not over yet: what its removal leaves behind is still flushed \
         and counted; ask again in a few seconds"
    )]
    NotOver {
        service: VirtualService,
        server: RealServer,
    },
    #[error("there is no drain of {server} from {service} to undo: `ipvsdrain status` lists the drains")]
    NothingToRestore {
        service: VirtualService,
        server: RealServer,
    },
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Admits a drain: the record to journal before anything is done.
pub fn begin(
    request: &Request,
    table: &Table,
    boot_id: &str,
    now: Moment,
    now_unix: u64,
) -> Result<Record, Refusal> {
    let Request {
        service,
        server,
        policy,
        who,
        why,
    } = request.clone();
    policy.check()?;
    let present = match table {
        Table::Unknown(fault) => return Err(Refusal::TableUnknown(fault.clone())),
        Table::NoService => return Err(Refusal::NoService(service)),
        Table::NoServer => return Err(Refusal::NoServer { service, server }),
        Table::Present(present) => present,
    };
    if let Some(scheduler) = &present.dropping_scheduler {
        return Err(Refusal::SchedulerDrops {
            service,
            scheduler: scheduler.clone(),
        });
    }
    if present.others_weight == 0 {
        return Err(Refusal::LastServer { service, server });
    }
    Ok(Record {
        id: 0,
        service,
        server,
        who,
        why,
        policy,
        before: present.configuration,
        state: State::Pooled,
        transitions: Vec::new(),
        removal: None,
        outcome: None,
        ahead: None,
        borrowed_expire_nodest: None,
        boot_id: boot_id.to_owned(),
        started_at: now,
        started_unix: now_unix,
        observed: Observed::default(),
    })
}

/// Turns a drain around: the server gets its weight back, or comes back into the table if we removed it.
pub fn restore(record: &Record, now: Moment) -> Result<Record, Refusal> {
    if matches!(record.state, State::Restored | State::Yielded) {
        return Err(Refusal::NothingToRestore {
            service: record.service,
            server: record.server,
        });
    }
    let mut next = record.clone();
    if record.state != State::Restoring {
        next.transitions.push(Transition {
            at: now,
            from: record.state,
            to: State::Restoring,
            why: "asked to restore".to_owned(),
        });
        next.state = State::Restoring;
    }
    Ok(next)
}
