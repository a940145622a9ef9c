//! What becomes of an order: a request with all that the configuration says, then a drain or a refusal that is counted.

use super::kernel::Kernel;
use super::request::{Order, RequestError};
use super::supervisor::Supervisor;
use crate::drain::{Record, Refusal, Request};

impl<K: Kernel> Supervisor<K> {
    pub(super) async fn begin_ordered(&mut self, order: Order) -> Result<Record, RequestError> {
        let begun = match self.request(order) {
            Ok(request) => self.begin(&request).await,
            Err(refusal) => Err(refusal.into()),
        };
        if let Err(error) = &begun {
            self.tally.refuse(error);
        }
        begun
    }

    /// The order, with what the configuration says for it.
    pub(super) fn request(&self, order: Order) -> Result<Request, Refusal> {
        let policy = self.rules.policy(&order.service, &order.policy)?;
        Ok(Request {
            service: order.service,
            server: order.server,
            policy,
            reason: order.reason,
            who: order.who,
            why: order.why,
            ticket: order.ticket,
            forced: order.forced,
            shadow: self.rules.shadow,
            weight_before: None,
            failure: None,
        })
    }
}
