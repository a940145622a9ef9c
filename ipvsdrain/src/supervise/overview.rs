//! The table and what is known of its servers at one moment, for whoever only looks.

use super::failures::ServerHealth;
use super::kernel::{Fault, Kernel, Listing};
use super::supervisor::Supervisor;
use super::tally::Tally;
use crate::observe::Usage;

/// All that has to be asked for to show everything; the rest is in the [`super::Handle`].
#[derive(Debug)]
pub struct Overview {
    pub listing: Result<Listing, Fault>,
    /// Names of the attached programs.
    pub attached: Vec<String>,
    pub health: Vec<ServerHealth>,
    /// How full the observer is and what it costs; `None` where nothing can be observed.
    pub usage: Option<Usage>,
    pub tally: Tally,
}

impl<K: Kernel> Supervisor<K> {
    pub(super) async fn overview(&mut self) -> Overview {
        Overview {
            listing: self.kernel.listing().await,
            attached: self.kernel.attached(),
            health: self.failures.shown(self.kernel.now()),
            usage: self.kernel.usage(),
            tally: Tally {
                journal: self.journal.effort().clone(),
                ..self.tally.clone()
            },
        }
    }
}
