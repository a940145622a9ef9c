//! Hazards: what would make a drain slow, risky or surprising, known before it begins. Each names its remedy. Pure.
//!
//! A hazard refuses nothing: what must not begin, admission refuses.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::facts::{AtZero, Evidence, Rung, Server, Service};
use super::policy::{FallbackUse, PersistenceUse, Pinned, Policy, SysctlUse, Then};
use crate::identity::{Protocol, RealServer, VirtualService};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hazard {
    pub about: About,
    /// What is the case, and what comes of it.
    pub what: String,
    /// What would change that, or why nothing needs to.
    pub remedy: String,
}

/// What a hazard is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    Scheduler,
    Persistence,
    ExpireNodestConn,
    Flush,
    ConnReuseMode,
    Observer,
    Counters,
    Weight,
    OtherDrains,
    Deadline,
}

/// What hazards are judged by. Nothing is watched yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    pub server: Server,
    /// The service around it, where it is known.
    pub around: Option<Service>,
    /// The rung on which its flows would be seen, and why on no better one.
    pub rung: Evidence<(Rung, Option<String>)>,
    pub counters: Evidence<()>,
    pub expire_nodest_conn: Evidence<bool>,
    pub expire_quiescent_template: Evidence<bool>,
    pub reuses_connections: Evidence<bool>,
    pub flushes_entries: bool,
    /// Other servers of the service that are being drained.
    pub draining: Vec<RealServer>,
}

/// Whatever is worth knowing before this server is drained with this policy.
pub(super) fn hazards(service: &VirtualService, policy: &Policy, outlook: &Outlook) -> Vec<Hazard> {
    [
        weight(outlook),
        scheduler(policy, outlook),
        persistence(policy, outlook),
        nodest(policy, outlook),
        flush(policy, outlook),
        reuse(service, outlook),
        observer(outlook),
        counters(outlook),
        other_drains(service, outlook),
        deadline(service, policy),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn hazard(about: About, what: impl Into<String>, remedy: impl Into<String>) -> Hazard {
    Hazard {
        about,
        what: what.into(),
        remedy: remedy.into(),
    }
}

fn weight(outlook: &Outlook) -> Option<Hazard> {
    (outlook.server.configuration.weight == 0).then(|| {
        hazard(
            About::Weight,
            "its weight is 0 already, by another hand: it takes no new flow today, and a restore gives it 0 again",
            "set the weight it is to come back with (`ipvsadm -e`) before the drain, or give it one after the restore",
        )
    })
}

fn scheduler(policy: &Policy, outlook: &Outlook) -> Option<Hazard> {
    let scheduler = &outlook.around.as_ref()?.scheduler;
    let name = &scheduler.name;
    match scheduler.at_zero {
        AtZero::Skips | AtZero::Fallback(true) => None,
        AtZero::Fallback(false) if policy.fallback == FallbackUse::Set => Some(hazard(
            About::Scheduler,
            format!(
                "scheduler {name} drops a share of the new flows at weight 0, so its fallback flag is set for the drain"
            ),
            format!(
                "nothing needs to be done; with `ipvsadm -E … -b {name}-fallback` the flag is there for good"
            ),
        )),
        AtZero::Fallback(false) => Some(hazard(
            About::Scheduler,
            format!("scheduler {name} drops a share of the new flows while a server has weight 0"),
            format!(
                "drain with --fallback set, or set the flag yourself (`ipvsadm -E … -b {name}-fallback`)"
            ),
        )),
        AtZero::Drops => Some(hazard(
            About::Scheduler,
            format!(
                "scheduler {name} drops a share of the new flows while a server has weight 0, and has no flag against it"
            ),
            "use another scheduler (`ipvsadm -E … -s mh -b mh-fallback`)",
        )),
    }
}

fn persistence(policy: &Policy, outlook: &Outlook) -> Option<Hazard> {
    let persistent = outlook.around.as_ref().is_some_and(|around| around.persistent);
    let moves = policy.persistence == PersistenceUse::Set
        || outlook.expire_quiescent_template == Evidence::Known(true);
    (persistent && !moves).then(|| {
        hazard(
            About::Persistence,
            format!(
                "the service is persistent: its clients come back to this server for new flows in spite of weight 0 \
                 ({} templates)",
                outlook.server.persistent
            ),
            "drain with --persistence set, or set net.ipv4.vs.expire_quiescent_template to 1",
        )
    })
}

fn nodest(policy: &Policy, outlook: &Outlook) -> Option<Hazard> {
    if policy.then == Then::Keep {
        return None;
    }
    match &outlook.expire_nodest_conn {
        Evidence::Known(false) if policy.sysctl == SysctlUse::Never => Some(hazard(
            About::ExpireNodestConn,
            "net.ipv4.vs.expire_nodest_conn is 0 and the policy never turns it on: the server stays until the kernel \
             has forgotten its last entry, for UDP 300 s after the last packet",
            "drain with --sysctl scoped, or set net.ipv4.vs.expire_nodest_conn to 1",
        )),
        Evidence::Unknown(why) => Some(hazard(
            About::ExpireNodestConn,
            format!("net.ipv4.vs.expire_nodest_conn cannot be read, so the removal would be held: {why}"),
            "let the daemon read and write /proc/sys/net/ipv4/vs",
        )),
        Evidence::Known(_) => None,
    }
}

fn flush(policy: &Policy, outlook: &Outlook) -> Option<Hazard> {
    (!outlook.flushes_entries && policy.then == Then::Remove).then(|| {
        hazard(
            About::Flush,
            "this kernel does not flush the entries of a removed server: it stays until its last entry has expired, \
             for UDP 300 s after the last packet",
            "use Linux 5.9 or newer, or plan for the longer wait",
        )
    })
}

fn reuse(service: &VirtualService, outlook: &Outlook) -> Option<Hazard> {
    (may_carry_tcp(service) && outlook.reuses_connections == Evidence::Known(true)).then(|| {
        hazard(
            About::ConnReuseMode,
            "net.ipv4.vs.conn_reuse_mode is 0: a client that connects anew from the same port meets its old entry, and \
             so this server",
            "set net.ipv4.vs.conn_reuse_mode to 1",
        )
    })
}

fn observer(outlook: &Outlook) -> Option<Hazard> {
    let (rung, cause) = match &outlook.rung {
        Evidence::Known((Rung::Probes, _)) => return None,
        Evidence::Known((rung, cause)) => (*rung, cause.as_deref().unwrap_or("no cause is known")),
        Evidence::Unknown(why) => {
            return Some(hazard(
                About::Observer,
                format!("its flows cannot be observed, so the drain would be held at weight 0: {why}"),
                "remove that cause, then start the daemon anew",
            ));
        }
    };
    let comes_of_it = match rung {
        Rung::Counters => {
            "flows are not counted, the silence must last 5 s longer, and UDP clients that never fall silent are not moved"
        }
        Rung::Probes | Rung::Arrivals => {
            "flows are known by the arrival of their packets, and what a removal costs is not counted"
        }
    };
    Some(hazard(
        About::Observer,
        format!("its flows would be seen by {rung} at best, for: {cause}; {comes_of_it}"),
        "nothing needs to be done for a safe removal; a kernel with kprobes and type information for modules sees more",
    ))
}

fn counters(outlook: &Outlook) -> Option<Hazard> {
    let Evidence::Unknown(why) = &outlook.counters else {
        return None;
    };
    Some(hazard(
        About::Counters,
        format!("the kernel's packet counters do not move, so the drain would be held: {why}"),
        "let the kernel keep its counters: net.ipv4.vs.run_estimation = 1, and a CPU in net.ipv4.vs.est_cpulist",
    ))
}

fn other_drains(service: &VirtualService, outlook: &Outlook) -> Option<Hazard> {
    let draining: Vec<String> = outlook.draining.iter().map(ToString::to_string).collect();
    let first = outlook.draining.first()?;
    Some(hazard(
        About::OtherDrains,
        format!(
            "other drains of the same service are under way: {}",
            draining.join(", ")
        ),
        format!("wait for them first: `ipvsdrain wait {service} {first}`"),
    ))
}

/// Nothing ends the wait for whoever never falls silent.
fn deadline(service: &VirtualService, policy: &Policy) -> Option<Hazard> {
    let udp = match policy.pinned {
        _ if !may_carry_udp(service) => None,
        Pinned::Wait => Some("UDP clients that never fall silent are waited for"),
        Pinned::Hold => Some("UDP clients that never fall silent keep the server"),
        Pinned::Migrate => None,
    };
    let tcp = may_carry_tcp(service).then_some("open connections are waited for");
    let who: Vec<&str> = [udp, tcp].into_iter().flatten().collect();
    let is_open = policy.deadline_secs.is_none() && !who.is_empty();
    let migrates = if udp.is_some() {
        ", or move UDP clients with --pinned migrate"
    } else {
        ""
    };
    is_open.then(|| {
        hazard(
            About::Deadline,
            format!("{}, and no deadline ends that", who.join(", ")),
            format!("give --deadline, with --on-deadline hold, remove or restore{migrates}"),
        )
    })
}

fn may_carry_udp(service: &VirtualService) -> bool {
    matches!(
        service,
        VirtualService::Fwmark { .. }
            | VirtualService::Address {
                protocol: Protocol::Udp,
                ..
            }
    )
}

/// TCP, or SCTP, whose associations are waited for as well.
fn may_carry_tcp(service: &VirtualService) -> bool {
    !matches!(
        service,
        VirtualService::Address {
            protocol: Protocol::Udp,
            ..
        }
    )
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            About::Scheduler => "scheduler",
            About::Persistence => "persistence",
            About::ExpireNodestConn => "expire_nodest_conn",
            About::Flush => "flush",
            About::ConnReuseMode => "conn_reuse_mode",
            About::Observer => "observer",
            About::Counters => "counters",
            About::Weight => "weight",
            About::OtherDrains => "other drains",
            About::Deadline => "deadline",
        })
    }
}
