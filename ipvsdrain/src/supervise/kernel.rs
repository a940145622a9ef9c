//! What the supervisor may ask of the host: the primitives, one real implementation and one for tests.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::drain::{Evidence, Flows, Lacking, Policy, Rung, Service, Setting, Table};
use crate::forwarding::Configuration;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;
use crate::observe::{FlowDetails, Usage};

/// An operation on the host failed. The text names the object, the operation, the errno and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// The host. Reads say *unknown* where they cannot tell; writes fail with a [`Fault`].
#[allow(
    async_fn_in_trait,
    reason = "one daemon, one thread: nothing needs to be Send"
)]
pub trait Kernel {
    fn now(&self) -> Moment;
    /// Lets this much time pass.
    async fn wait(&self, span: Duration);

    async fn table(&mut self, service: &VirtualService, server: &RealServer) -> Found;
    async fn listing(&mut self) -> Result<Vec<ListedService>, Fault>;
    async fn set_weight(
        &mut self,
        service: &VirtualService,
        server: &RealServer,
        weight: u32,
    ) -> Result<(), Fault>;
    async fn add(
        &mut self,
        service: &VirtualService,
        server: &RealServer,
        configuration: &Configuration,
    ) -> Result<(), Fault>;
    async fn remove(&mut self, service: &VirtualService, server: &RealServer) -> Result<(), Fault>;

    /// `net.ipv4.vs.expire_nodest_conn`.
    fn expire_nodest(&self) -> Evidence<bool>;
    /// `net.ipv4.vs.expire_quiescent_template`.
    fn expire_quiescent_template(&self) -> Evidence<bool>;
    /// Is `net.ipv4.vs.conn_reuse_mode` 0?
    fn reuses_connections(&self) -> Evidence<bool>;
    /// Does this kernel flush the entries of a removed server?
    fn flushes_entries(&self) -> bool;
    /// Turns a setting on or off: a sysctl, or a flag of the service.
    async fn set(&mut self, service: &VirtualService, setting: Setting, on: bool) -> Result<(), Fault>;
    /// Do the kernel's packet counters move at all?
    fn counters(&self) -> Evidence<()>;

    /// Goes on with those watches of an earlier process that are asked for, and ends its other ones. Called once, before
    /// anything else is watched.
    fn take_up(&mut self, asked: &BTreeSet<(VirtualService, RealServer)>);
    fn watch(&mut self, service: &VirtualService, server: &RealServer) -> Result<(), Fault>;
    fn unwatch(&mut self, service: &VirtualService, server: &RealServer) -> Result<(), Fault>;
    fn is_watched(&self, service: &VirtualService, server: &RealServer) -> bool;
    fn flows(&self, service: &VirtualService, server: &RealServer, policy: &Policy) -> Evidence<Flows>;
    /// The rung on which a watch that began now would stand, as far as that is known without one, and why on no better
    /// one.
    fn rung_ahead(&self) -> Evidence<(Rung, Option<String>)>;
    /// Why not more is seen of it.
    fn lacking(&self, service: &VirtualService, server: &RealServer) -> Lacking;
    /// The `limit` flows of a watched server that moved last.
    fn flow_details(
        &self,
        service: &VirtualService,
        server: &RealServer,
        limit: usize,
    ) -> Result<FlowDetails, Fault>;
    /// Names of the attached eBPF programs; empty while nothing is watched.
    fn attached(&self) -> Vec<String>;
    /// How full the observer is and what it costs, without a look at each flow; `None` where there is no observer.
    fn usage(&self) -> Option<Usage>;
    /// Chores of the observer: its rare messages, its forgotten flows. Called after every round of steps.
    fn tidy(&mut self);
}

/// One server as found in the table, and the service around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub table: Table,
    pub service: Evidence<Option<Service>>,
}

impl Found {
    /// The service, where it is known and exists.
    pub(super) fn around(&self) -> Option<&Service> {
        match &self.service {
            Evidence::Known(service) => service.as_ref(),
            Evidence::Unknown(_) => None,
        }
    }

    pub(super) fn unknown(why: &str) -> Self {
        Self {
            table: Table::Unknown(why.to_owned()),
            service: Evidence::Unknown(why.to_owned()),
        }
    }
}

/// The IPVS table as `status` shows it.
pub type Listing = Vec<ListedService>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedService {
    pub service: VirtualService,
    pub scheduler: String,
    pub servers: Vec<ListedServer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedServer {
    pub server: RealServer,
    #[serde(flatten)]
    pub configuration: Configuration,
    pub active: u32,
    pub inactive: u32,
    pub persistent: u32,
}
