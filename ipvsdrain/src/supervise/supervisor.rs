//! Runs all drains: one at a time, twice a second, and at once when asked for something.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::adoption::Weights;
use super::executor::perform;
use super::failures::Failures;
use super::gather::{self, Others};
use super::journal::{Filter, Keeper};
use super::kernel::{Found, Kernel};
use super::request::{Command, Handle, Order, RequestError};
use super::take_up::JournalCondition;
use super::tally::Tally;
use crate::drain::{
    self, Capacity, Changes, Forced, Ground, Note, Reason, Record, Refusal, Request, Rules, Setting, Table,
    step,
};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;
use crate::observe::FlowDetails;

/// A drain is looked at this often: a removal comes that much later at most, on top of the second by which the observer
/// counts.
const TICK: Duration = Duration::from_millis(500);

/// How many ticks a stop may wait for the kernel's flush and for the count of lost packets, before it leaves the
/// sysctl to the next start and the count unfinished.
const LONGEST_GOODBYE: u32 = 20;

pub(super) type Key = (VirtualService, RealServer);

/// Owns the records of all drains, the journal and the host.
#[derive(Debug)]
pub struct Supervisor<K> {
    pub(super) kernel: K,
    pub(super) journal: Keeper,
    pub(super) rules: Rules,
    weights: Weights,
    pub(super) failures: Failures,
    pub(super) tally: Tally,
    pub(super) boot_id: String,
    pub(super) unix_time: fn() -> u64,
    pub(super) records: BTreeMap<Key, Record>,
    /// The journal was read. Before that nothing in the kernel may be touched.
    pub(super) drains_known: bool,
    shown: watch::Sender<Arc<Vec<Record>>>,
    pub(super) condition: watch::Sender<JournalCondition>,
    beat: watch::Sender<Moment>,
}

impl<K: Kernel> Supervisor<K> {
    /// Takes up the drains where the journal left them. With a journal that does not work it only observes, until that
    /// works.
    pub fn resume(kernel: K, journal: impl Into<Keeper>, boot_id: String, unix_time: fn() -> u64) -> Self {
        let mut supervisor = Self {
            beat: watch::channel(kernel.now()).0,
            failures: Failures::since(kernel.now()),
            tally: Tally::default(),
            kernel,
            journal: journal.into(),
            rules: Rules::default(),
            weights: Weights::default(),
            boot_id,
            unix_time,
            records: BTreeMap::new(),
            drains_known: false,
            shown: watch::channel(Arc::default()).0,
            condition: watch::channel(JournalCondition::default()).0,
        };
        supervisor.take_up_journal();
        supervisor.show();
        supervisor
    }

    /// Decides by these rules from now on. Drains under way keep the policy they began with.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// A handle for others, and the other end of its commands for [`Supervisor::run`].
    pub fn handle(&self) -> (Handle, mpsc::Receiver<Command>) {
        let (commands, inbox) = mpsc::channel(16);
        (
            Handle {
                commands,
                drains: self.shown.subscribe(),
                journal: self.condition.subscribe(),
                beats: self.beat.subscribe(),
            },
            inbox,
        )
    }

    /// Runs until `stop` comes or every handle is gone, puts back what is borrowed and finishes the counts of removals.
    /// A step is never broken off; drains that are not over resume from the journal.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Command>, stop: impl Future<Output = ()>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = pin!(stop);
        loop {
            // The arms only wait: what an arm goes on to do, no other one can cut short.
            tokio::select! {
                () = &mut stop => break,
                _ = tick.tick() => {
                    self.step_all().await;
                    self.beat.send_replace(self.kernel.now());
                }
                command = inbox.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
            }
        }
        for _ in 0..LONGEST_GOODBYE {
            let owing: Vec<Key> = self.owing().collect();
            if owing.is_empty() {
                return;
            }
            self.kernel.wait(TICK).await;
            for key in owing {
                self.advance(key).await;
            }
        }
        for record in self.records.values() {
            let Record { service, server, .. } = record;
            for setting in Setting::ALL {
                if record.borrowed.of(setting).is_some() {
                    warn!(%service, %server, "{setting} stays on until the drain goes on at the next start");
                }
            }
            if record.is_counting() {
                warn!(%service, %server, "lost packets will not be counted: the daemon stops before the count is over");
            }
        }
    }

    pub(super) fn unfinished(&self) -> impl Iterator<Item = Key> + '_ {
        let is_open = |(_, record): &(&Key, &Record)| !record.is_over();
        self.records.iter().filter(is_open).map(|(key, _)| *key)
    }

    /// The drains that have something to give back now, or whose count would be lost with the daemon.
    fn owing(&self) -> impl Iterator<Item = Key> + '_ {
        let owes = |(_, record): &(&Key, &Record)| {
            record.is_counting()
                || record.borrowed.expire_nodest.is_some()
                || (record.state.is_final() && !record.borrowed.is_empty())
        };
        self.records.iter().filter(owes).map(|(key, _)| *key)
    }

    async fn obey(&mut self, command: Command) {
        // Whoever asked may have gone; the drain goes on all the same.
        match command {
            Command::Begin { order, reply } => drop(reply.send(self.begin_ordered(order).await)),
            Command::Plan { order, reply } => drop(reply.send(self.plan(order).await)),
            Command::Restore {
                service,
                server,
                reply,
            } => {
                drop(reply.send(self.restore((service, server)).await));
            }
            Command::Flows {
                service,
                server,
                limit,
                reply,
            } => drop(reply.send(self.flows((service, server), limit))),
            Command::History { filter, reply } => drop(reply.send(self.history(&filter))),
            Command::Follow { rules } => self.rules = *rules,
            Command::Hear { finding } => self.hear(&finding).await,
            Command::Report { finding, reply } => drop(reply.send(self.report(&finding).await)),
            Command::Health { reply } => drop(reply.send(Ok(self.failures.shown(self.kernel.now())))),
            Command::Overview { reply } => drop(reply.send(Ok(self.overview().await))),
            Command::List { reply } => {
                let listing = self.kernel.listing().await;
                let attached = self.kernel.attached();
                drop(
                    reply.send(
                        listing
                            .map(|listing| (listing, attached))
                            .map_err(RequestError::Host),
                    ),
                );
            }
        }
        self.show_condition();
    }

    /// Takes the servers at weight 0 that the rules select for drains.
    async fn adopt(&mut self) {
        let now = self.kernel.now();
        if self.rules.adopt.services.is_empty() || !self.weights.wants_look(now) {
            return;
        }
        let Ok(listing) = self.kernel.listing().await else {
            return;
        };
        self.weights.looked(now, self.kernel.now());
        let found = self.weights.select(&listing, &self.rules.adopt, &self.records);
        for ((service, server), weight_before) in found {
            let order = Order {
                policy: Changes::default().with("then", Some(self.rules.adopt.then)),
                reason: Reason::Adopted,
                why: "found at weight 0".to_owned(),
                ..Order::of(service, server)
            };
            let begun = match self.request(order) {
                Ok(request) => {
                    let request = Request {
                        weight_before,
                        ..request
                    };
                    self.begin(&request).await.map(drop)
                }
                Err(refusal) => Err(refusal.into()),
            };
            if let Err(error) = begun {
                warn!(%service, %server, "not adopted: {error}");
            }
        }
    }

    /// Journals a new drain and takes its first step.
    pub async fn begin(&mut self, request: &Request) -> Result<Record, RequestError> {
        self.journal.check()?;
        let key = (request.service, request.server);
        let ends = |record: &Record| record.state.is_final() && !record.is_over();
        if self.records.get(&key).is_some_and(ends) {
            // It may be over by now, as after a restart: then it must not be in the way until the next tick.
            self.advance(key).await;
        }
        let found = self.kernel.table(&request.service, &request.server).await;
        let now = self.kernel.now();
        if let Some(record) = self.to_take_over(request, &found, now)? {
            return Box::pin(self.take_over(key, record)).await;
        }
        if let Some(record) = self.records.get(&key).filter(|record| !record.is_over()) {
            return Err(in_the_way(record).into());
        }
        let mut record = drain::begin(request, &self.ground(request, &found, now), now)?;
        record.id = self.journal.save(&record, now)?;
        info!(service = %record.service, server = %record.server, who = record.who, why = record.why, "drain begins");
        self.records.insert(key, record);
        self.advance(key).await;
        Ok(self.records[&key].clone())
    }

    /// Turns a drain around and takes the first step back.
    pub async fn restore(&mut self, key: Key) -> Result<Record, RequestError> {
        self.journal.check()?;
        let (service, server) = key;
        let record = self
            .records
            .get(&key)
            .ok_or(Refusal::NothingToRestore { service, server })?;
        let now = self.kernel.now();
        let next = drain::restore(record, now)?;
        self.journal.save(&next, now)?;
        info!(%service, %server, "{} -> {}: asked to restore", record.state, next.state);
        self.records.insert(key, next);
        self.advance(key).await;
        Ok(self.records[&key].clone())
    }

    fn flows(&self, (service, server): Key, limit: usize) -> Result<FlowDetails, RequestError> {
        if !self.kernel.is_watched(&service, &server) {
            return Err(RequestError::NotWatched { service, server });
        }
        Ok(self.kernel.flow_details(&service, &server, limit)?)
    }

    fn history(&mut self, filter: &Filter) -> Result<Vec<Record>, RequestError> {
        let now = self.kernel.now();
        let found = self.journal.with(now, |journal| journal.history(filter));
        found.map_err(RequestError::Unread)
    }

    /// One step of every drain that is not over.
    pub async fn step_all(&mut self) {
        self.tend_journal();
        self.adopt().await;
        self.mind_failures().await;
        let unfinished: Vec<Key> = self.unfinished().collect();
        for key in &unfinished {
            self.go_forward(*key).await;
        }
        // Once for all: what is shown holds every record, those of the past, too.
        if !unfinished.is_empty() {
            self.show();
        }
        self.kernel.tidy();
    }

    /// Steps one drain, and shows what came of it.
    pub(super) async fn advance(&mut self, key: Key) {
        self.go_forward(key).await;
        self.show();
    }

    /// One step; after actions one more, so that their effect is confirmed without waiting for the tick.
    async fn go_forward(&mut self, key: Key) {
        for _ in 0..3 {
            if !self.advance_once(key).await {
                break;
            }
        }
    }

    /// Returns whether actions were performed, all with success.
    async fn advance_once(&mut self, key: Key) -> bool {
        let Some(record) = self.records.get(&key).cloned() else {
            return false;
        };
        let others: Vec<&Record> = self
            .records
            .iter()
            .filter(|(other, _)| **other != key)
            .map(|(_, record)| record)
            .collect();
        let others = Others { records: &others };
        let health = self.failures.health(key, self.kernel.now());
        let facts = gather::facts(&mut self.kernel, &record, &others, health).await;
        let now = self.kernel.now();
        let mut next = step(&record, &facts, now);
        let journalled = if next.record.durable() == record.durable() {
            self.journal.check()
        } else {
            self.journal.save(&next.record, now).map(drop)
        };
        if let Err(fault) = journalled {
            self.hold_unjournalled(record, next, &fault).await;
            return false;
        }
        for note in &next.notes {
            say(&next.record, note);
        }
        let performed = perform(&mut self.kernel, &next.record, &next.actions).await;
        let go_on = performed.is_ok() && !next.actions.is_empty();
        next.record.observed.failed = performed.err().map(|fault| fault.0);
        self.records.insert(key, next.record);
        go_on
    }

    /// What a request is judged by.
    pub(super) fn ground<'a>(&'a self, request: &Request, found: &'a Found, now: Moment) -> Ground<'a> {
        Ground {
            table: &found.table,
            service: found.around(),
            capacity: self.capacity_without(request, found, now),
            boot_id: &self.boot_id,
            now_unix: (self.unix_time)(),
        }
    }

    /// What would be left of the service. A server that is already at weight 0 costs nothing more.
    fn capacity_without(&self, request: &Request, found: &Found, now: Moment) -> Capacity {
        let Table::Present(server) = &found.table else {
            return Capacity::default();
        };
        let records: Vec<&Record> = self.records.values().collect();
        let key = (&request.service, &request.server);
        let full = server.configuration.weight;
        Others { records: &records }.capacity(key, full, found, Forced::Counted, now)
    }

    pub(super) fn show(&self) {
        self.show_condition();
        self.shown
            .send_replace(Arc::new(self.records.values().cloned().collect()));
    }
}

/// Why no other drain of the same server may begin.
pub(super) fn in_the_way(record: &Record) -> Refusal {
    let Record {
        service,
        server,
        state,
        ..
    } = *record;
    if state.is_final() {
        Refusal::NotOver { service, server }
    } else {
        Refusal::AlreadyDraining {
            service,
            server,
            state,
        }
    }
}

fn say(record: &Record, note: &Note) {
    let Record { service, server, .. } = record;
    match note {
        Note::Transition { .. } => info!(%service, %server, "{note}"),
        Note::Held(_) | Note::Overdue { .. } | Note::Leaking(_) => warn!(%service, %server, "{note}"),
        Note::Settled(outcome) if outcome.has_losses() => warn!(%service, %server, "{note}"),
        Note::Released(_) | Note::Settled(_) | Note::WouldRemove => info!(%service, %server, "{note}"),
    }
}
