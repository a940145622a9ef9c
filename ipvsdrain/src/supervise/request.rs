//! What may be asked of the supervisor, by whomever, and what comes back. Nothing is decided or done here.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::failures::ServerHealth;
use super::journal::{Broken, Filter};
use super::kernel::{Fault, Listing};
use super::overview::Overview;
use super::take_up::JournalCondition;
use crate::drain::{Changes, Plan, Reason, Record, Refusal, Rules};
use crate::health::Finding;
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;
use crate::observe::FlowDetails;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("nothing was done, for it could not be journalled: {0}")]
    Journal(#[from] Broken),
    #[error("past drains are not known: {0}")]
    Unread(Broken),
    #[error(transparent)]
    Host(#[from] Fault),
    #[error("the daemon is stopping")]
    Stopping,
    #[error(
        "the flows of {server} behind {service} are not observed: they are while it is drained, see `ipvsdrain status`"
    )]
    NotWatched {
        service: VirtualService,
        server: RealServer,
    },
}

/// A drain as it was asked for: what it does not say, the configuration does.
#[derive(Debug, Clone)]
pub struct Order {
    pub service: VirtualService,
    pub server: RealServer,
    pub policy: Changes,
    pub reason: Reason,
    pub who: String,
    pub why: String,
    pub ticket: String,
    pub forced: bool,
}

impl Order {
    /// A planned drain as the configuration says, by nobody in particular.
    pub fn of(service: VirtualService, server: RealServer) -> Self {
        Self {
            service,
            server,
            policy: Changes::default(),
            reason: Reason::Planned,
            who: String::new(),
            why: String::new(),
            ticket: String::new(),
            forced: false,
        }
    }
}

/// What may be asked of the supervisor.
#[derive(Debug)]
pub enum Command {
    Begin {
        order: Order,
        reply: oneshot::Sender<Result<Record, RequestError>>,
    },
    /// What would become of an order. Nothing is changed.
    Plan {
        order: Order,
        reply: oneshot::Sender<Result<Plan, RequestError>>,
    },
    Restore {
        service: VirtualService,
        server: RealServer,
        reply: oneshot::Sender<Result<Record, RequestError>>,
    },
    /// The `limit` flows of a watched real server that moved last.
    Flows {
        service: VirtualService,
        server: RealServer,
        limit: usize,
        reply: oneshot::Sender<Result<FlowDetails, RequestError>>,
    },
    /// Drains over or not, newest first, as the journal has them.
    History {
        filter: Filter,
        reply: oneshot::Sender<Result<Vec<Record>, RequestError>>,
    },
    /// A result of a check.
    Hear { finding: Finding },
    /// The same from elsewhere, about a server that must exist.
    Report {
        finding: Finding,
        reply: oneshot::Sender<Result<Option<ServerHealth>, RequestError>>,
    },
    /// Every server that somebody spoke of.
    Health {
        reply: oneshot::Sender<Result<Vec<ServerHealth>, RequestError>>,
    },
    /// Decide by these rules from now on.
    Follow { rules: Box<Rules> },
    List {
        reply: oneshot::Sender<Result<(Listing, Vec<String>), RequestError>>,
    },
    /// The table and the health of its servers in one answer. A table that cannot be read is part of it.
    Overview {
        reply: oneshot::Sender<Result<Overview, RequestError>>,
    },
}

/// How others talk to the supervisor.
#[derive(Debug, Clone)]
pub struct Handle {
    pub commands: mpsc::Sender<Command>,
    /// The newest drain of each real server, renewed after every step.
    pub drains: watch::Receiver<Arc<Vec<Record>>>,
    pub journal: watch::Receiver<JournalCondition>,
    /// Changes with every tick: the loop is alive.
    pub beats: watch::Receiver<Moment>,
}

impl Handle {
    /// Sends a command, made with where its answer is to go, and waits for that.
    pub async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, RequestError>>) -> Command,
    ) -> Result<T, RequestError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply)).await;
        sent.map_err(|_| RequestError::Stopping)?;
        answer.await.map_err(|_| RequestError::Stopping)?
    }
}
