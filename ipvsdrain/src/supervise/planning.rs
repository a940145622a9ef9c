//! Plans: a request is judged by the live facts as if it were to begin. Nothing is journalled, watched or changed.

use super::kernel::Kernel;
use super::request::{Order, RequestError};
use super::supervisor::{Supervisor, in_the_way};
use crate::drain::{self, Outlook, Plan, Record, Refusal, Table};

impl<K: Kernel> Supervisor<K> {
    /// What would become of this order now.
    ///
    /// # Errors
    /// Where there is nothing to plan: no such server, no policy that can be followed, no journal that works.
    pub async fn plan(&mut self, order: Order) -> Result<Plan, RequestError> {
        self.journal.check()?;
        let request = self.request(order)?;
        let found = self.kernel.table(&request.service, &request.server).await;
        let now = self.kernel.now();
        let ground = self.ground(&request, &found, now);
        let Table::Present(server) = &found.table else {
            // There is nothing to plan with; admission knows the sentence for it.
            return match drain::begin(&request, &ground, now) {
                Err(refusal) => Err(refusal.into()),
                Ok(_) => Err(Refusal::TableUnknown("it shows no such server".to_owned()).into()),
            };
        };
        if request.forced && request.why.trim().is_empty() {
            return Err(Refusal::ForceNeedsReason.into());
        }
        let key = (request.service, request.server);
        let blocking = self.records.get(&key).filter(|record| {
            !record.is_over() && drain::take_over(record, &request, now, ground.now_unix).is_none()
        });
        let others = |record: &&Record| {
            record.service == request.service && record.server != request.server && !record.state.is_final()
        };
        let outlook = Outlook {
            server: server.clone(),
            around: found.around().cloned(),
            rung: self.kernel.rung_ahead(),
            counters: self.kernel.counters(),
            expire_nodest_conn: self.kernel.expire_nodest(),
            expire_quiescent_template: self.kernel.expire_quiescent_template(),
            reuses_connections: self.kernel.reuses_connections(),
            flushes_entries: self.kernel.flushes_entries(),
            draining: self
                .records
                .values()
                .filter(others)
                .map(|record| record.server)
                .collect(),
        };
        let in_the_way = blocking.map(in_the_way);
        Ok(drain::plan(&request, &ground, &outlook, in_the_way, now))
    }
}
