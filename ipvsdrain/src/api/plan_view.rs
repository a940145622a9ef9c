//! A plan as JSON: what would become of a request for a drain.

use serde::{Deserialize, Serialize};

use crate::drain::{Capacity, Floor, Hazard, Plan, Policy, Refusal, Shortfall};
use crate::identity::{RealServer, VirtualService};

/// A plan as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanView {
    pub service: VirtualService,
    pub server: RealServer,
    /// Its weight now.
    pub weight: u32,
    pub would: Would,
    /// Why it would not begin; `null` if it would.
    pub refusal: Option<RefusalView>,
    /// It would be decided and not done.
    pub shadow: bool,
    /// Asked for in spite of the capacity floor.
    pub forced: bool,
    /// With all that is configured.
    pub policy: Policy,
    pub capacity: CapacityView,
    /// What would make the drain slow, risky or surprising.
    pub hazards: Vec<Hazard>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Would {
    Begin,
    Refused,
}

/// Why a drain would not begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalView {
    pub kind: RefusalKind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// New flows would be dropped at weight 0.
    Scheduler,
    /// Too little of the service would be left.
    Floor,
    /// It is being drained.
    Draining,
    /// Its last drain is not over.
    NotOver,
    /// Anything else.
    Other,
}

/// What the service can take of new flows, with and without the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityView {
    /// Servers that take new flows.
    pub servers_before: u32,
    pub servers_after: u32,
    /// All there are when the service is whole.
    pub servers_total: u32,
    pub weight_before: u64,
    pub weight_after: u64,
    pub weight_total: u64,
    /// What must be left.
    pub floor: Floor,
}

impl CapacityView {
    /// # Errors
    /// If what would be left is below the floor.
    pub fn check(&self) -> Result<(), Shortfall> {
        self.floor.check(self.after())
    }

    /// What would be left.
    pub fn after(&self) -> Capacity {
        Capacity {
            servers_left: self.servers_after,
            servers_total: self.servers_total,
            weight_left: self.weight_after,
            weight_total: self.weight_total,
        }
    }
}

impl From<&Plan> for PlanView {
    fn from(plan: &Plan) -> Self {
        Self {
            service: plan.service,
            server: plan.server,
            weight: plan.weight,
            would: match plan.refusal {
                None => Would::Begin,
                Some(_) => Would::Refused,
            },
            refusal: plan.refusal.as_ref().map(RefusalView::from),
            shadow: plan.shadow,
            forced: plan.forced,
            policy: plan.policy,
            capacity: CapacityView {
                servers_before: plan.servers_now,
                servers_after: plan.capacity.servers_left,
                servers_total: plan.capacity.servers_total,
                weight_before: plan.weight_now,
                weight_after: plan.capacity.weight_left,
                weight_total: plan.capacity.weight_total,
                floor: plan.policy.floor,
            },
            hazards: plan.hazards.clone(),
        }
    }
}

impl From<&Refusal> for RefusalView {
    fn from(refusal: &Refusal) -> Self {
        let kind = match refusal {
            Refusal::SchedulerDrops { .. } | Refusal::SchedulerAlwaysDrops { .. } => RefusalKind::Scheduler,
            Refusal::Floor { .. } => RefusalKind::Floor,
            Refusal::AlreadyDraining { .. } => RefusalKind::Draining,
            Refusal::NotOver { .. } => RefusalKind::NotOver,
            Refusal::NoService(_)
            | Refusal::NoServer { .. }
            | Refusal::TableUnknown(_)
            | Refusal::ForceNeedsReason
            | Refusal::WeightUnknown { .. }
            | Refusal::NothingToRestore { .. }
            | Refusal::Policy(_) => RefusalKind::Other,
        };
        Self {
            kind,
            text: refusal.to_string(),
        }
    }
}
