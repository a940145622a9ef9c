//! Runs a trace, performs what the drains ask for, and judges each of it by the truth of the model.

use std::time::Duration;

use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

use super::super::step_tests::{ask_at, request};
use super::super::*;
use super::event::{Event, Fault, SERVERS, Setting as Start};
use super::model::{Model, Sort, address};
use crate::forwarding::Configuration;
use crate::identity::VirtualService;

pub(super) type Judged = Result<(), TestCaseError>;

#[derive(Debug)]
pub(super) struct Run {
    pub(super) model: Model,
    /// The newest drain of each server.
    pub(super) records: Vec<Option<Record>>,
    /// The daemon dies after so many actions of the next step.
    pub(super) dies_after: Option<usize>,
}

pub(super) fn service() -> VirtualService {
    request(Policy::default()).service
}

impl Run {
    pub(super) fn new(setting: Start) -> Self {
        Self {
            model: Model::new(setting),
            records: vec![None; SERVERS],
            dies_after: None,
        }
    }

    pub(super) fn take(&mut self, event: &Event) -> Judged {
        match *event {
            Event::Pass(secs) => {
                for _ in 0..secs {
                    self.second()?;
                }
            }
            Event::Drain { server, force } => self.ask(server, force)?,
            Event::Restore(server) => self.restore(server)?,
            Event::Udp { server, every, lasts } => self.model.start(server, Sort::Udp { every }, lasts),
            Event::Tcp { server, lasts } => self.model.start(server, Sort::Tcp, lasts),
            Event::SetWeight { server, weight } => self.other_hand(server, |host| {
                host.there = host.there.map(|there| Configuration { weight, ..there });
            }),
            Event::SetThreshold { server, threshold } => self.other_hand(server, |host| {
                if let Some(there) = &mut host.there {
                    there.upper_threshold = threshold;
                }
            }),
            Event::Delete(server) => self.other_hand(server, |host| host.there = None),
            Event::Add { server, weight } => self.other_hand(server, |host| {
                if host.there.is_none() {
                    host.there = Some(Configuration {
                        weight,
                        ..host.intended
                    });
                }
            }),
            Event::Flush => self.model.flush_or_bring_back(),
            Event::Fault(fault, secs) => self.model.fault(fault, secs),
            Event::Crash {
                after_actions: None,
                keeps_watch,
            } => self.crash(keeps_watch),
            Event::Crash { after_actions, .. } => self.dies_after = after_actions,
        }
        Ok(())
    }

    pub(super) fn other_hand(&mut self, server: usize, change: impl FnOnce(&mut super::model::Host)) {
        change(&mut self.model.servers[server]);
    }

    /// What was not durable is gone.
    pub(super) fn crash(&mut self, keeps_watch: bool) {
        for record in self.records.iter_mut().flatten() {
            *record = record.durable();
        }
        for host in self.model.servers.iter_mut().filter(|_| !keeps_watch) {
            host.watched_since = None;
        }
    }

    fn second(&mut self) -> Judged {
        self.model.pass_a_second();
        for server in 0..SERVERS {
            self.advance(server)?;
        }
        Ok(())
    }

    pub(super) fn others(&self, server: usize, full: u32, forced: Forced) -> (Capacity, Borrowed) {
        let others = self
            .records
            .iter()
            .enumerate()
            .filter(|(number, _)| *number != server)
            .filter_map(|(_, record)| record.as_ref());
        let mut borrowed = Borrowed::default();
        for record in others.clone() {
            borrowed.add(&record.borrowed, true);
        }
        let capacity = if self.model.service {
            let key = (&service(), &address(server));
            capacity(
                key,
                full,
                &self.model.around(server),
                others,
                forced,
                self.model.now,
            )
        } else {
            Capacity::default()
        };
        (capacity, borrowed)
    }

    fn ask(&mut self, server: usize, force: bool) -> Judged {
        if self.records[server]
            .as_ref()
            .is_some_and(|record| !record.is_over())
        {
            return Ok(());
        }
        let policy = self.model.setting.policy;
        let full = self.model.servers[server].there.map_or(0, |there| there.weight);
        let others = self.others(server, full, Forced::Counted);
        let facts = self.model.facts(server, &policy, others);
        let request = Request {
            server: address(server),
            why: "a trace".to_owned(),
            forced: force,
            ..request(policy)
        };
        if let Ok(record) = ask_at(&request, &facts, self.model.now) {
            prop_assert_eq!(record.before.weight, full);
            // Nobody told what a server is to have that was at weight 0 already.
            self.model.servers[server].intended.weight = full;
            self.records[server] = Some(record);
            self.advance(server)?;
        }
        Ok(())
    }

    fn restore(&mut self, server: usize) -> Judged {
        if let Some(record) = &self.records[server]
            && let Ok(next) = restore(record, self.model.now)
        {
            self.records[server] = Some(next);
            self.advance(server)?;
        }
        Ok(())
    }

    /// As the supervisor does it: step, journal, perform, and once more where something was done.
    fn advance(&mut self, server: usize) -> Judged {
        for _ in 0..3 {
            let Some(record) = self.records[server].clone() else {
                return Ok(());
            };
            if record.is_over() {
                return Ok(());
            }
            let forced = if record.state == State::Pooled {
                Forced::Counted
            } else {
                Forced::Accepted
            };
            let others = self.others(server, record.before.weight, forced);
            let facts = self.model.facts(server, &record.policy, others);
            if let Table::Present(seen) = &facts.table
                && !record.state.is_final()
            {
                // On the way back the weight is ours.
                let ours = record.state == State::Restoring;
                self.model.servers[server].learn(seen.configuration, ours);
            }
            let mut next = step(&record, &facts, self.model.now);
            self.judge(server, &record, &facts, &next)?;
            let dies_after = self.dies_after.take();
            let performed = self.perform(server, &next.actions, dies_after);
            next.record.observed.failed = performed.clone().err();
            let go_on = performed.is_ok() && !next.actions.is_empty();
            self.records[server] = Some(next.record);
            if dies_after.is_some() {
                self.crash(false);
                return Ok(());
            }
            if !go_on {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) fn perform(
        &mut self,
        server: usize,
        actions: &[Action],
        dies_after: Option<usize>,
    ) -> Result<(), String> {
        for action in actions.iter().take(dies_after.unwrap_or(usize::MAX)) {
            let fails = self.model.has(Fault::Actions);
            let there = self.model.service && self.model.servers[server].there.is_some();
            let error = || Err("EIO".to_owned());
            match *action {
                Action::Watch => self.model.watch(server),
                Action::Unwatch => self.model.servers[server].watched_since = None,
                _ if fails => return error(),
                Action::Set(Setting::ExpireNodest, on) => self.model.expire_nodest = on,
                Action::Set(Setting::QuiescentTemplate, on) => self.model.quiescent_template = on,
                Action::Set(Setting::Fallback, on) => self.model.fallback = on,
                Action::Add(configuration) if !there && self.model.service => {
                    self.model.servers[server].there = Some(configuration);
                }
                _ if !there => return error(),
                Action::Quiesce => self.set_weight(server, 0),
                Action::SetWeight(weight) => self.set_weight(server, weight),
                Action::Add(_) => return error(),
                Action::Remove { needs_expire_nodest }
                    if needs_expire_nodest && !self.model.expire_nodest =>
                {
                    return error();
                }
                Action::Remove { .. } => {
                    let host = &mut self.model.servers[server];
                    host.there = None;
                    if self.model.expire_nodest {
                        host.flows.clear();
                    }
                }
            }
        }
        Ok(())
    }

    fn set_weight(&mut self, server: usize, weight: u32) {
        let host = &mut self.model.servers[server];
        host.there = host.there.map(|there| Configuration { weight, ..there });
    }

    /// What must hold of every step.
    fn judge(&self, server: usize, was: &Record, facts: &Facts, next: &Step) -> Judged {
        let changes = |action: &&Action| !matches!(action, Action::Watch | Action::Unwatch);
        let changes: Vec<&Action> = next.actions.iter().filter(changes).collect();
        for action in &changes {
            match action {
                Action::Set(..) => {}
                _ if was.state.is_final() => {
                    prop_assert!(false, "{action:?} in state {}", was.state);
                }
                Action::Remove { .. } => self.judge_removal(server, was, next)?,
                Action::Quiesce => self.judge_floor(server, &next.record, was.state)?,
                _ => prop_assert_eq!(next.record.state, State::Restoring),
            }
            prop_assert!(!matches!(facts.table, Table::Unknown(_)) || matches!(action, Action::Set(..)));
        }
        let host = &self.model.servers[server];
        if next.record.state == State::Restored && was.state != State::Restored {
            prop_assert_eq!(host.there, Some(host.intended), "restored to the letter");
        }
        if was.state.is_final() {
            prop_assert_eq!(next.record.state, was.state, "the end is the end");
        }
        // Now and then: it doubles the work.
        if self.model.now.as_nanos().is_multiple_of(8_000_000_000) {
            let again = step(was, facts, self.model.now);
            prop_assert_eq!(&again, next, "the same facts, the same decision");
        }
        Ok(())
    }

    fn judge_removal(&self, server: usize, was: &Record, next: &Step) -> Judged {
        let model = &self.model;
        let policy = &was.policy;
        for fault in [Fault::Table, Fault::Flows, Fault::Counters, Fault::Sysctl] {
            prop_assert!(!model.has(fault), "removed on unknown evidence: {fault:?}");
        }
        let host = &model.servers[server];
        prop_assert_eq!(host.there.map(|there| there.weight), Some(0));
        let Some(removal) = next.record.removal else {
            return Err(TestCaseError::fail("the intent is not in the record"));
        };
        self.judge_floor(server, was, was.state)?;
        if removal.by_deadline {
            let passed = model.now.since(was.started_at).as_secs();
            prop_assert!(policy.on_deadline == OnDeadline::Remove);
            prop_assert!(policy.deadline_secs.is_some_and(|secs| passed >= u64::from(secs)));
            let (udp, _) = model.live(server, policy);
            prop_assert!(policy.pinned != Pinned::Hold || udp == 0 || model.blind_until.is_some());
            return Ok(());
        }
        prop_assert_eq!(policy.then, Then::Remove);
        if model.blind_until.is_some() {
            // The counter still tells what was sent, but for the last two seconds; and what it shows within three
            // seconds of a packet that was seen, is taken for that packet.
            let silent = host.last_shown.map(|last| model.now.since(last));
            let enough = silent.is_none_or(|silent| silent + Duration::from_secs(3) >= policy.silence());
            prop_assert!(enough || removal.migrated > 0, "silent for {silent:?} alone");
            return Ok(());
        }
        let (udp, tcp) = model.live(server, policy);
        prop_assert_eq!(tcp, 0, "live TCP is never removed");
        prop_assert!(
            udp == 0 || (policy.pinned == Pinned::Migrate && removal.migrated > 0),
            "{} live",
            udp
        );
        let nodest = next.actions.contains(&Action::Set(Setting::ExpireNodest, true)) || model.expire_nodest;
        prop_assert!(
            nodest || host.flows.is_empty(),
            "an entry is left that swallows late packets"
        );
        Ok(())
    }

    /// By the table alone, without what the drains know.
    pub(super) fn judge_floor(&self, server: usize, record: &Record, state: State) -> Judged {
        if record.forced {
            return Ok(());
        }
        let floor = record.policy.floor;
        let others = (0..SERVERS).filter(|other| *other != server);
        let in_service = others.filter_map(|other| {
            let drain = self.records[other].as_ref();
            let open = drain.filter(|drain| !drain.state.is_final() && drain.state != State::Restoring);
            let there = self.model.servers[other].there;
            match open {
                // Somebody took that upon himself.
                Some(drain) if drain.forced && state != State::Pooled => there.and(Some(drain.before)),
                Some(_) => None,
                None => there.filter(|there| there.weight > 0),
            }
        });
        let weights: Vec<u64> = in_service.map(|there| u64::from(there.weight)).collect();
        let left: u64 = weights.iter().sum();
        let all = left + u64::from(record.before.weight);
        prop_assert!(
            weights.len() >= floor.servers as usize,
            "{} servers left",
            weights.len()
        );
        prop_assert!(
            left * 100 >= all * u64::from(floor.weight_percent),
            "{left} of {all} left"
        );
        Ok(())
    }

    /// Nothing goes wrong any more, the others are in service, clients end: every drain comes to its end.
    pub(super) fn end_fairly(&mut self) -> Judged {
        self.model.heal();
        self.dies_after = None;
        if !self.model.service {
            self.model.flush_or_bring_back();
        }
        for (host, record) in self.model.servers.iter_mut().zip(&self.records) {
            for flow in &mut host.flows {
                flow.ends = flow.ends.min(self.model.now + Duration::from_secs(5));
            }
            if record.as_ref().is_none_or(|record| record.state.is_final()) {
                host.there = Some(host.intended);
            }
        }
        let slow = self.model.setting.policy.sysctl == SysctlUse::Never;
        let most = if slow { 420 } else { 120 };
        for _ in 0..most {
            if self.records.iter().flatten().all(Record::is_over) {
                break;
            }
            self.second()?;
        }
        for (server, record) in self.records.iter().enumerate() {
            let Some(record) = record else { continue };
            let there = self.model.servers[server].there;
            let alarmed =
                record.policy.other_hands == OtherHands::Alarm && there.is_none_or(|there| there.weight > 0);
            let at_floor = matches!(record.observed.held, Some(Hold::Floor(_)));
            prop_assert!(
                record.is_over() || record.is_kept() || alarmed || at_floor,
                "not finished: {record:#?}"
            );
        }
        let open = self.records.iter().flatten().any(|record| !record.is_over());
        if !open {
            prop_assert_eq!(self.model.expire_nodest, self.model.setting.expire_nodest);
            prop_assert!(
                !self.model.quiescent_template && !self.model.fallback,
                "given back"
            );
        }
        Ok(())
    }
}
