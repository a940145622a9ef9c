//! Servers that fail: hears what is found about them, begins the drains that follow from it, and brings back what was
//! removed once it is well.
//!
//! What follows is decided by [`crate::health`] and [`crate::drain`]; every change goes the way of all drains.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::kernel::{Found, Kernel};
use super::request::{Order, RequestError};
use super::supervisor::{Key, Supervisor};
use crate::drain::{self, Changes, FailurePolicy, Reason, Record, Refusal, Request, Stance, State, Table};
use crate::health::{Board, Finding, Health, Outcome, Verdict, Word};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;

/// What is known of the health of all servers, and where each stood last.
#[derive(Debug)]
pub(super) struct Failures {
    board: Board,
    stances: BTreeMap<Key, Stance>,
}

impl Failures {
    pub(super) fn since(now: Moment) -> Self {
        Self {
            board: Board::since(now),
            stances: BTreeMap::new(),
        }
    }
}

/// The health of one server, for others to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerHealth {
    pub service: VirtualService,
    pub server: RealServer,
    pub health: Health,
    pub stance: Stance,
    pub words: Vec<Word>,
    pub at: Moment,
}

impl Failures {
    pub(super) fn health(&self, (service, server): Key, now: Moment) -> Option<Health> {
        self.board.health(&service, &server, now)
    }

    pub(super) fn shown(&self, now: Moment) -> Vec<ServerHealth> {
        let keys = self.board.servers();
        keys.filter_map(|key| self.show(key, now)).collect()
    }

    fn show(&self, key: Key, now: Moment) -> Option<ServerHealth> {
        let (service, server) = key;
        // Only without a journal that works a server is spoken of and not looked at.
        let unknown = || Stance::Unknown("the journal does not work".to_owned());
        Some(ServerHealth {
            service,
            server,
            health: self.health(key, now)?,
            stance: self.stances.get(&key).cloned().unwrap_or_else(unknown),
            words: self.board.words(&service, &server, now),
            at: now,
        })
    }

    /// The servers of a service whose failure waits for another one to be found well.
    fn awaited(&self, service: &VirtualService) -> impl Iterator<Item = Key> {
        let keys = self.board.servers_of(service);
        keys.filter(|key| self.stances.get(key) == Some(&Stance::Awaited))
    }

    /// Keeps it, and says so where it is news.
    fn stand(&mut self, (service, server): Key, stance: Stance) {
        let before = self.stances.get(&(service, server));
        let is_same =
            before.is_some_and(|before| std::mem::discriminant(before) == std::mem::discriminant(&stance));
        if !is_same {
            say(&service, &server, before, &stance);
        }
        self.stances.insert((service, server), stance);
    }
}

impl<K: Kernel> Supervisor<K> {
    /// Takes a finding, and acts on it at once.
    pub(super) async fn hear(&mut self, finding: &Finding) {
        self.failures.board.hear(finding);
        let mut keys = vec![(finding.service, finding.server)];
        // Its neighbours' failures are believed from now on. All else can wait for the tick.
        if finding.outcome == Outcome::Passed {
            keys.extend(self.failures.awaited(&finding.service));
        }
        self.mind(keys).await;
    }

    /// The same for one from elsewhere. `None`: it was withdrawn, and nobody else speaks of the server.
    ///
    /// # Errors
    /// If there is no such server.
    pub(super) async fn report(&mut self, finding: &Finding) -> Result<Option<ServerHealth>, RequestError> {
        let Finding { service, server, .. } = *finding;
        let key = (service, server);
        let found = self.kernel.table(&service, &server).await;
        let is_ours = self
            .newest(&key)
            .is_some_and(|record| record.state == State::Removed);
        match found.table {
            // What was said of a server that is gone may still be taken back.
            _ if finding.outcome == Outcome::Withdrawn => {}
            Table::NoService => return Err(Refusal::NoService(service).into()),
            Table::NoServer if !is_ours => return Err(Refusal::NoServer { service, server }.into()),
            // What cannot be read now may be there: a report is never lost for that.
            Table::NoServer | Table::Present(_) | Table::Unknown(_) => {}
        }
        self.hear(finding).await;
        let now = self.kernel.now();
        Ok(self.failures.show(key, now))
    }

    /// Looks at every server that somebody spoke of.
    pub(super) async fn mind_failures(&mut self) {
        let now = self.kernel.now();
        self.failures.board.forget(now);
        let keys: Vec<Key> = self.failures.board.servers().collect();
        self.failures
            .stances
            .retain(|key, _| keys.binary_search(key).is_ok());
        self.mind(keys).await;
    }

    /// The newest drain of a server in the table that is there: that of an earlier boot is gone, with all that was
    /// done in it.
    fn newest(&self, key: &Key) -> Option<&Record> {
        self.records
            .get(key)
            .filter(|record| record.boot_id == self.boot_id)
    }

    async fn mind(&mut self, keys: Vec<Key>) {
        // Without its journal the daemon may not know its drains, and begins none.
        if !self.drains_known || self.journal.check().is_err() {
            return;
        }
        for key in keys {
            if let Some(stance) = self.stance(key).await {
                let stance = self.act(key, stance).await;
                self.failures.stand(key, stance);
            }
        }
    }

    /// Where a server stands. The table is asked only where it matters.
    async fn stance(&mut self, key: Key) -> Option<Stance> {
        let (service, server) = key;
        let health = self.failures.health(key, self.kernel.now())?;
        let newest = self.newest(&key);
        let was_removed = newest.is_some_and(|record| record.state == State::Removed);
        let weight = if matches!(health.verdict, Verdict::Down { .. }) || was_removed {
            match self.kernel.table(&service, &server).await.table {
                Table::Present(server) => Some(self.see(key, server.configuration.weight)),
                Table::NoServer => None,
                // What was removed cannot come back before its service does.
                Table::NoService => return Some(Stance::Unknown("its virtual service is gone".to_owned())),
                Table::Unknown(why) => return Some(Stance::Unknown(why)),
            }
        } else {
            None
        };
        let policy = self.failure_policy(&service);
        let newest = self.newest(&key);
        Some(drain::stance(&health, newest, weight, &policy, self.kernel.now()))
    }

    /// A server in the table that we had removed was put back by another hand.
    fn see(&mut self, key: Key, weight: u32) -> u32 {
        let now = self.kernel.now();
        let newest = self.newest(&key);
        let next = newest.and_then(|record| drain::put_back_by_another(record, weight, now));
        if let Some(next) = next
            && self.journal.save(&next, now).is_ok()
        {
            let Record { service, server, .. } = &next;
            info!(%service, %server, "{} -> {}: another hand put it back with weight {weight}", State::Removed, next.state);
            self.records.insert(key, next);
            self.show();
        }
        weight
    }

    fn failure_policy(&self, service: &VirtualService) -> FailurePolicy {
        let policy = self.rules.policy(service, &Changes::default());
        policy.map_or_else(|_| FailurePolicy::default(), |policy| policy.failure)
    }

    /// Does what a stance asks for, and tells the one that follows.
    async fn act(&mut self, key: Key, stance: Stance) -> Stance {
        match stance {
            Stance::Failing => match Box::pin(self.begin_for_failure(key)).await {
                Ok(()) => Stance::Quiesced,
                Err(error) => Stance::Needed(error.to_string()),
            },
            Stance::Returning(ref why) => match Box::pin(self.bring_back(key, why)).await {
                Ok(()) => stance,
                Err(error) => Stance::Unknown(error.to_string()),
            },
            other => other,
        }
    }

    async fn begin_for_failure(&mut self, key: Key) -> Result<(), RequestError> {
        let (service, server) = key;
        let policy = self.failure_policy(&service);
        let health = self.failures.health(key, self.kernel.now());
        let failure = health.and_then(|health| drain::failure(&health, self.newest(&key), &policy));
        let Some(failure) = failure else {
            return Ok(());
        };
        let request = self.request(Order {
            reason: Reason::Failure,
            who: failure.source.clone(),
            why: failure.cause.clone(),
            ..Order::of(service, server)
        })?;
        let request = Request {
            failure: Some(failure),
            ..request
        };
        self.begin(&request).await.map(drop)
    }

    async fn bring_back(&mut self, key: Key, why: &str) -> Result<(), RequestError> {
        // One that is under way needs no second push.
        let removed = self.newest(&key).filter(|record| record.state == State::Removed);
        let Some(record) = removed else {
            return Ok(());
        };
        let now = self.kernel.now();
        let next = drain::recover(record, why, now);
        self.journal.save(&next, now)?;
        let Record { service, server, .. } = &next;
        info!(%service, %server, "{} -> {}: {why}", State::Removed, next.state);
        self.records.insert(key, next);
        self.advance(key).await;
        Ok(())
    }

    /// The drain for failure that becomes the one that is asked for.
    pub(super) fn to_take_over(
        &self,
        request: &Request,
        found: &Found,
        now: Moment,
    ) -> Result<Option<Record>, Refusal> {
        let newest = self.newest(&(request.service, request.server));
        let is_away = matches!(found.table, Table::NoServer);
        let taken = newest
            .filter(|record| !record.state.is_final() || is_away)
            .and_then(|record| drain::take_over(record, request, now, (self.unix_time)()));
        if taken.is_some() && request.forced && request.why.trim().is_empty() {
            return Err(Refusal::ForceNeedsReason);
        }
        Ok(taken)
    }

    pub(super) async fn take_over(&mut self, key: Key, record: Record) -> Result<Record, RequestError> {
        self.journal.save(&record, self.kernel.now())?;
        info!(
            service = %record.service, server = %record.server, who = record.who, why = record.why,
            "maintenance takes over the drain that its failure had begun"
        );
        self.records.insert(key, record);
        self.failures.stand(key, Stance::Maintenance);
        self.advance(key).await;
        Ok(self.records[&key].clone())
    }
}

fn say(service: &VirtualService, server: &RealServer, before: Option<&Stance>, stance: &Stance) {
    match stance {
        Stance::Needed(_) | Stance::AllFail | Stance::Foreign | Stance::Reported | Stance::LeftAlone => {
            warn!(%service, %server, "health: {stance}");
        }
        // Its drain says the rest.
        Stance::Quiesced | Stance::Maintenance | Stance::Removed | Stance::Returning(_) => {}
        Stance::Well | Stance::Unknown(_) if before.is_none() => {}
        Stance::Well | Stance::Awaited | Stance::Failing | Stance::HeldDown(_) => {
            info!(%service, %server, "health: {stance}");
        }
        Stance::Unknown(_) => warn!(%service, %server, "health: {stance}"),
    }
}
