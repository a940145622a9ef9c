//! A plan: what would become of a request for a drain. Admission itself decides; nothing begins. Pure.

use super::admission::{self, Ground, Request};
use super::floor::Capacity;
use super::hazards::{Hazard, Outlook, hazards};
use super::policy::Policy;
use super::refusal::Refusal;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// What would become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub service: VirtualService,
    pub server: RealServer,
    pub weight: u32,
    /// With everything that is configured.
    pub policy: Policy,
    pub forced: bool,
    pub shadow: bool,
    /// Why it would not begin.
    pub refusal: Option<Refusal>,
    /// Servers that take new flows and their weight, with this one as it is now.
    pub servers_now: u32,
    pub weight_now: u64,
    /// What would be left without it.
    pub capacity: Capacity,
    pub hazards: Vec<Hazard>,
}

/// Plans a drain of a server that is in the table. `in_the_way` is the drain of it that is not over.
pub fn plan(
    request: &Request,
    ground: &Ground<'_>,
    outlook: &Outlook,
    in_the_way: Option<Refusal>,
    now: Moment,
) -> Plan {
    let weight = outlook.server.configuration.weight;
    let capacity = ground.capacity;
    let refusal = in_the_way.or_else(|| admission::begin(request, ground, now).err());
    Plan {
        service: request.service,
        server: request.server,
        weight,
        policy: request.policy,
        forced: request.forced,
        shadow: request.shadow,
        refusal,
        servers_now: capacity.servers_left + u32::from(weight > 0),
        weight_now: capacity.weight_left + u64::from(weight),
        capacity,
        hazards: hazards(&request.service, &request.policy, outlook),
    }
}
