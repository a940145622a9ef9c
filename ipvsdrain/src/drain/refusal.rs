//! Why a drain does not begin, or cannot be undone: in a sentence for people, in a word for programs.

use super::floor::Shortfall;
use super::policy::PolicyError;
use super::state::State;
use crate::identity::{RealServer, VirtualService};

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
        "scheduler {scheduler} of {service} drops new flows while a server has weight 0: drain with --fallback set, \
         set its fallback flag yourself (`ipvsadm -E … -b {scheduler}-fallback`), or use another scheduler"
    )]
    SchedulerDrops {
        service: VirtualService,
        scheduler: String,
    },
    #[error(
        "scheduler {scheduler} of {service} drops new flows while a server has weight 0, and has no flag against it: \
         use another scheduler (`ipvsadm -E … -s mh -b mh-fallback`)"
    )]
    SchedulerAlwaysDrops {
        service: VirtualService,
        scheduler: String,
    },
    #[error(
        "{server} is needed in {service}: {shortfall}. Restore another server first, lower the floor, or give --force \
         with a reason"
    )]
    Floor {
        service: VirtualService,
        server: RealServer,
        shortfall: Shortfall,
    },
    #[error("--force needs a reason for the record: give --reason")]
    ForceNeedsReason,
    #[error(
        "nobody knows what weight {server} is to have in {service}: it was at 0 before ipvsdrain came; set it with \
         ipvsadm, and its drain yields"
    )]
    WeightUnknown {
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

impl Refusal {
    /// Every word that [`Refusal::word`] has.
    pub const WORDS: [&'static str; 11] = [
        "no_service",
        "no_server",
        "table_unknown",
        "scheduler",
        "floor",
        "no_reason",
        "weight_unknown",
        "already_draining",
        "not_over",
        "nothing_to_restore",
        "policy",
    ];

    /// The cause, in a word that never changes.
    pub const fn word(&self) -> &'static str {
        match self {
            Refusal::NoService(_) => "no_service",
            Refusal::NoServer { .. } => "no_server",
            Refusal::TableUnknown(_) => "table_unknown",
            Refusal::SchedulerDrops { .. } | Refusal::SchedulerAlwaysDrops { .. } => "scheduler",
            Refusal::Floor { .. } => "floor",
            Refusal::ForceNeedsReason => "no_reason",
            Refusal::WeightUnknown { .. } => "weight_unknown",
            Refusal::AlreadyDraining { .. } => "already_draining",
            Refusal::NotOver { .. } => "not_over",
            Refusal::NothingToRestore { .. } => "nothing_to_restore",
            Refusal::Policy(_) => "policy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::floor::Capacity;
    use super::super::policy::Policy;
    use super::*;

    #[test]
    fn a_refusal_is_told_by_one_of_the_words_that_are_announced() {
        let service: VirtualService = "udp:10.0.0.1:53".parse().unwrap();
        let server: RealServer = "10.1.0.5:53".parse().unwrap();
        let scheduler = || "sh".to_owned();
        let refusals = [
            Refusal::NoService(service),
            Refusal::NoServer { service, server },
            Refusal::TableUnknown(String::new()),
            Refusal::SchedulerDrops {
                service,
                scheduler: scheduler(),
            },
            Refusal::Floor {
                service,
                server,
                shortfall: Shortfall {
                    capacity: Capacity::default(),
                    floor: Policy::default().floor,
                },
            },
            Refusal::ForceNeedsReason,
            Refusal::WeightUnknown { service, server },
            Refusal::AlreadyDraining {
                service,
                server,
                state: State::Quiet,
            },
            Refusal::NotOver { service, server },
            Refusal::NothingToRestore { service, server },
        ];
        let mut words: Vec<&str> = refusals.iter().map(Refusal::word).collect();
        words.push("policy");
        assert_eq!(words, Refusal::WORDS);
        let always = Refusal::SchedulerAlwaysDrops {
            service,
            scheduler: scheduler(),
        };
        assert_eq!(always.word(), "scheduler");
    }
}
