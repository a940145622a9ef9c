//! Random traces of findings, silence, restarts, maintenance and other hands, run as the supervisor runs them: what must
//! hold of a drain for failure whatever happens.

use std::time::Duration;

use proptest::prop_assert;

use super::super::step_tests::{ask_at, request};
use super::super::*;
use super::event::{Fault, SERVERS, Setting as Start};
use super::failing_event::{Counting, Event, Look, SOURCES, STALE_AFTER};
use super::model::address;
use super::run::{Judged, Run, service};
use crate::forwarding::Configuration;
use crate::health::{Board, Finding, Health, Outcome, Verdict};
use crate::moment::Moment;

/// What one source found about one server since the daemon began.
pub(super) type Log = Vec<(Moment, Look)>;

/// What is known of one server besides its records.
#[derive(Debug, Clone)]
pub(super) struct Truth {
    pub(super) looks: [Look; SOURCES.len()],
    pub(super) logs: [Log; SOURCES.len()],
    /// As whoever configures the table wants it in service.
    pub(super) intended: Configuration,
    /// Another hand set it to 0, and nobody asked us for anything since.
    pub(super) is_foreign: bool,
    /// When it was last seen to fail.
    pub(super) down_at: Option<Moment>,
}

#[derive(Debug)]
pub(super) struct Failing {
    pub(super) run: Run,
    board: Board,
    pub(super) counting: Counting,
    pub(super) truths: Vec<Truth>,
}

impl Failing {
    pub(super) fn new(setting: Start, counting: Counting) -> Self {
        let run = Run::new(setting);
        let truths = run.model.servers.iter().map(|host| Truth {
            looks: [Look::Passes, Look::Silent],
            logs: Default::default(),
            intended: host.intended,
            is_foreign: false,
            down_at: None,
        });
        Self {
            truths: truths.collect(),
            run,
            board: Board::since(Moment::from_secs(1000)),
            counting,
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.run.model.now
    }

    pub(super) fn take(&mut self, event: &Event) -> Judged {
        match *event {
            Event::Pass(secs) => self.pass(secs)?,
            Event::Look { server, source, look } => self.truths[server].looks[source] = look,
            Event::Flap {
                server,
                fails,
                passes,
                times,
            } => {
                for _ in 0..times {
                    self.truths[server].looks[0] = Look::Fails;
                    self.pass(fails)?;
                    self.truths[server].looks[0] = Look::Passes;
                    self.pass(passes)?;
                }
            }
            Event::LookAll { source, look } => {
                self.truths
                    .iter_mut()
                    .for_each(|truth| truth.looks[source] = look);
            }
            Event::Withdraw { server, source } => {
                self.truths[server].looks[source] = Look::Silent;
                self.truths[server].logs[source].clear();
                self.hear(server, source, Outcome::Withdrawn);
            }
            Event::Restart(None) => self.restart(),
            Event::Restart(after) => self.run.dies_after = after,
            Event::Maintain(server) => self.maintain(server)?,
            Event::Restore(server) => self.restore(server)?,
            Event::SetWeight { server, weight } => self.set_weight(server, weight),
            Event::Delete(server) => {
                self.truths[server].is_foreign = false;
                self.forget_unseen(server);
                self.run.other_hand(server, |host| host.there = None);
            }
            Event::Add { server, weight } => {
                let truth = &mut self.truths[server];
                if self.run.model.servers[server].there.is_none() {
                    // In mid-drain it is at weight 0 as before, if nobody looked in between.
                    let record = self.run.records[server].as_ref();
                    let is_free = record.is_none_or(|record| record.state.is_final());
                    truth.is_foreign = weight == 0 && is_free;
                    if weight > 0 {
                        truth.intended.weight = weight;
                    }
                    let there = Configuration {
                        weight,
                        ..truth.intended
                    };
                    self.run.other_hand(server, |host| host.there = Some(there));
                }
            }
            Event::Fault(secs) => self.run.model.fault(Fault::Actions, secs),
        }
        Ok(())
    }

    /// What another hand did and undid before its drain looked, nobody can know.
    fn forget_unseen(&mut self, server: usize) {
        let record = self.run.records[server].as_ref();
        if let Some(record) =
            record.filter(|record| !record.state.is_final() || record.state == State::Removed)
        {
            self.truths[server].intended.weight = record.before.weight;
        }
    }

    pub(super) fn pass(&mut self, secs: u64) -> Judged {
        (0..secs).try_for_each(|_| self.second())
    }

    /// By another hand. Where its weight is one that a slow start of ours gives, nobody could tell.
    fn set_weight(&mut self, server: usize, weight: u32) {
        let Some(there) = self.run.model.servers[server].there else {
            return;
        };
        if weight == 0 {
            self.forget_unseen(server);
        }
        let record = self.run.records[server].as_ref();
        let ramp = record.and_then(|record| record.ramp);
        if ramp.is_some_and(|ramp| weight == ramp.from || weight == ramp.to) {
            return;
        }
        let truth = &mut self.truths[server];
        if weight > 0 {
            truth.intended.weight = weight;
            truth.is_foreign = false;
        } else if there.weight > 0 {
            truth.is_foreign = record.is_none_or(|record| match record.state {
                State::Pooled => record.failure.as_ref().is_some_and(|failure| !failure.quiesced),
                State::Restoring => ramp.is_some_and(|ramp| !ramp.turned),
                state => state.is_final(),
            });
        }
        self.run.other_hand(server, |host| {
            host.there = Some(Configuration { weight, ..there });
        });
    }

    fn restart(&mut self) {
        self.run.crash(true);
        self.board = Board::since(self.now());
        for truth in &mut self.truths {
            truth.logs = Default::default();
            truth.down_at = None;
        }
    }

    fn hear(&mut self, server: usize, source: usize, outcome: Outcome) {
        self.board.hear(&Finding {
            service: service(),
            server: address(server),
            source: SOURCES[source].to_owned(),
            outcome,
            began: self.now(),
            at: self.now(),
            rise: self.counting.rise,
            fall: self.counting.fall,
            stale_after: Duration::from_secs(STALE_AFTER),
            stands: false,
        });
    }

    pub(super) fn health(&self, server: usize) -> Option<Health> {
        self.board.health(&service(), &address(server), self.now())
    }

    fn second(&mut self) -> Judged {
        self.run.model.pass_a_second();
        let now = self.now();
        for server in 0..SERVERS {
            for source in 0..SOURCES.len() {
                let look = self.truths[server].looks[source];
                let outcome = match look {
                    Look::Passes => Outcome::Passed,
                    Look::Fails => Outcome::Failed("refused".to_owned()),
                    Look::NoResult => Outcome::NoResult("no route".to_owned()),
                    Look::Silent => continue,
                };
                self.truths[server].logs[source].push((now, look));
                self.hear(server, source, outcome);
            }
        }
        for server in 0..SERVERS {
            let health = self.health(server);
            if health.is_some_and(|health| matches!(health.verdict, Verdict::Down { .. })) {
                self.truths[server].down_at = Some(now);
            }
            self.mind(server)?;
        }
        (0..SERVERS).try_for_each(|server| self.advance(server))
    }

    /// As the supervisor does it.
    fn mind(&mut self, server: usize) -> Judged {
        let Some(health) = self.health(server) else {
            return Ok(());
        };
        let now = self.now();
        let policy = self.run.model.setting.policy;
        let there = self.run.model.servers[server].there;
        if let (Some(record), Some(there)) = (&self.run.records[server], there)
            && let Some(next) = put_back_by_another(record, there.weight, now)
        {
            self.run.records[server] = Some(next);
        }
        let newest = self.run.records[server].clone();
        let weight = there.map(|there| there.weight);
        match stance(&health, newest.as_ref(), weight, &policy.failure, now) {
            Stance::Failing => {
                let failure = failure(&health, newest.as_ref(), &policy.failure);
                if let (Some(failure), Some(before)) =
                    (&failure, newest.as_ref().and_then(|it| it.failure.as_ref()))
                {
                    let is_soon = failure.since.since(before.since)
                        < Duration::from_secs(u64::from(policy.failure.forgiven_after_secs));
                    prop_assert!(
                        !is_soon || failure.level >= before.level,
                        "soon after, nothing is forgiven"
                    );
                }
                let request = Request {
                    reason: Reason::Failure,
                    failure,
                    ..self.asked_for(server)
                };
                self.begin(server, &request)
            }
            Stance::Returning(why) => {
                if let Some(record) = newest.filter(|record| record.state == State::Removed) {
                    self.judge_return(server, &record)?;
                    self.run.records[server] = Some(recover(&record, &why, now));
                    self.advance(server)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn asked_for(&self, server: usize) -> Request {
        Request {
            server: address(server),
            ..request(self.run.model.setting.policy)
        }
    }

    fn begin(&mut self, server: usize, request: &Request) -> Judged {
        if self.run.records[server]
            .as_ref()
            .is_some_and(|record| !record.is_over())
        {
            return Ok(());
        }
        let full = self.run.model.servers[server]
            .there
            .map_or(0, |there| there.weight);
        let others = self.run.others(server, full, Forced::Counted);
        let facts = self.run.model.facts(server, &request.policy, others);
        if let Ok(record) = ask_at(request, &facts, self.now()) {
            self.run.records[server] = Some(record);
            self.advance(server)?;
        }
        Ok(())
    }

    fn maintain(&mut self, server: usize) -> Judged {
        let request = self.asked_for(server);
        let is_away = self.run.model.servers[server].there.is_none();
        let newest = self.run.records[server].as_ref();
        let taken = newest
            .filter(|record| !record.state.is_final() || is_away)
            .and_then(|record| take_over(record, &request, self.now(), 0));
        if let Some(record) = taken {
            self.truths[server].is_foreign = false;
            self.run.records[server] = Some(record);
            return self.advance(server);
        }
        // Of one at weight 0 nobody knows the weight in service.
        if self.run.model.servers[server]
            .there
            .is_some_and(|there| there.weight > 0)
        {
            self.begin(server, &request)?;
        }
        Ok(())
    }

    pub(super) fn restore(&mut self, server: usize) -> Judged {
        let asked = self.run.records[server]
            .as_ref()
            .map(|record| restore(record, self.now()));
        if let Some(Ok(next)) = asked {
            self.truths[server].is_foreign = false;
            self.run.records[server] = Some(next);
            self.advance(server)?;
        }
        Ok(())
    }

    fn advance(&mut self, server: usize) -> Judged {
        for _ in 0..3 {
            let Some(record) = self.run.records[server]
                .clone()
                .filter(|record| !record.is_over())
            else {
                return Ok(());
            };
            let forced = if record.state == State::Pooled {
                Forced::Counted
            } else {
                Forced::Accepted
            };
            let others = self.run.others(server, record.before.weight, forced);
            let facts = Facts {
                health: self.health(server),
                ..self.run.model.facts(server, &record.policy, others)
            };
            let mut next = step(&record, &facts, self.now());
            self.judge(server, &record, &next)?;
            let dies_after = self.run.dies_after.take();
            let performed = self.run.perform(server, &next.actions, dies_after);
            next.record.observed.failed = performed.clone().err();
            let go_on = performed.is_ok() && !next.actions.is_empty();
            self.run.records[server] = Some(next.record);
            if dies_after.is_some() {
                self.restart();
                return Ok(());
            }
            if !go_on {
                return Ok(());
            }
        }
        Ok(())
    }
}
