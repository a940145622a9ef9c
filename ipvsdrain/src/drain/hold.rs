//! Why a drain does not go on.

use serde::{Deserialize, Serialize};

use super::floor::Shortfall;
use super::other_hand::OtherHand;

/// Why a drain does not go on. Each names what would let it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "cause", content = "detail")]
pub enum Hold {
    #[error("the IPVS table cannot be read: {0}")]
    TableUnknown(String),
    #[error("evidence unknown: live flows cannot be observed: {0}")]
    FlowsUnknown(String),
    #[error("evidence unknown: the kernel's packet counters cannot be trusted: {0}")]
    CountersUnknown(String),
    #[error(
        "evidence contradicts itself: the kernel counted packets to this server that the observer did not see; \
         both must be silent for a whole quiet window"
    )]
    ObserverBlind,
    #[error(
        "evidence contradicts itself: packets are forwarded to this server and the kernel's counter stands still; \
         look at net.ipv4.vs.run_estimation and est_cpulist"
    )]
    CountersFrozen,
    #[error(
        "{0} entries are left, net.ipv4.vs.expire_nodest_conn is 0 and may not be touched: they must expire first"
    )]
    EntriesLeft(u64),
    #[error(
        "pinned UDP flows can only be migrated with net.ipv4.vs.expire_nodest_conn=1: set it, or allow the scoped \
         use of it"
    )]
    MigrationNeedsSysctl,
    #[error(
        "pinned UDP flows can only be migrated where flows are counted: the kernel's counters do not tell UDP from \
         TCP, so this waits until no packet is forwarded"
    )]
    MigrationNeedsFlows,
    #[error("net.ipv4.vs.expire_nodest_conn cannot be read: {0}")]
    SysctlUnknown(String),
    #[error("the capacity floor would be crossed: {0}")]
    Floor(Shortfall),
    #[error(
        "only {0} pinned UDP flows are live, and the policy keeps the server for them: end them, or migrate them"
    )]
    PinnedFlows(u64),
    #[error("its health is unknown: {0}")]
    HealthUnknown(String),
    #[error(
        "no server of the service passes its checks: more likely the checker is at fault than all of them, so nothing \
         is done until one passes"
    )]
    CheckerSuspected,
    #[error("it fails; it is quiesced as soon as another server of the service is found well")]
    FailureAwaited,
    #[error("it is up again, and is put back once it was for {0} s")]
    HoldDown(u64),
    #[error("the deadline passed and flows are still live: {0}")]
    DeadlinePassed(String),
    #[error("{0}; the policy is to raise the alarm or to wait, and to change nothing until that is undone")]
    OtherHand(OtherHand),
    #[error("{0}")]
    ActionFailed(String),
}

impl Hold {
    /// The cause, in a word that never changes.
    pub const fn word(&self) -> &'static str {
        match self {
            Hold::TableUnknown(_) => "table_unknown",
            Hold::FlowsUnknown(_) => "flows_unknown",
            Hold::CountersUnknown(_) => "counters_unknown",
            Hold::ObserverBlind => "observer_blind",
            Hold::CountersFrozen => "counters_frozen",
            Hold::EntriesLeft(_) => "entries_left",
            Hold::MigrationNeedsSysctl => "migration_needs_sysctl",
            Hold::MigrationNeedsFlows => "migration_needs_flows",
            Hold::SysctlUnknown(_) => "sysctl_unknown",
            Hold::Floor(_) => "floor",
            Hold::PinnedFlows(_) => "pinned_flows",
            Hold::HealthUnknown(_) => "health_unknown",
            Hold::CheckerSuspected => "checker_suspected",
            Hold::HoldDown(_) => "hold_down",
            Hold::FailureAwaited => "failure_awaited",
            Hold::DeadlinePassed(_) => "deadline_passed",
            Hold::OtherHand(_) => "other_hand",
            Hold::ActionFailed(_) => "action_failed",
        }
    }

    /// Nothing can be concluded; the drain goes on as soon as the evidence is back.
    pub const fn is_unknown_evidence(&self) -> bool {
        matches!(
            self,
            Hold::TableUnknown(_)
                | Hold::FlowsUnknown(_)
                | Hold::CountersUnknown(_)
                | Hold::ObserverBlind
                | Hold::CountersFrozen
                | Hold::SysctlUnknown(_)
                | Hold::HealthUnknown(_)
        )
    }
}
