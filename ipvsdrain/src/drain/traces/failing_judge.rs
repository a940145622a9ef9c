//! What must hold of every step of a drain for failure, by what the sources found and what stands in the table.

use std::time::Duration;

use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

use super::super::*;
use super::event::SERVERS;
use super::failing::{Failing, Log};
use super::failing_event::{Look, SOURCES, STALE_AFTER};
use super::run::Judged;
use crate::health::Verdict;
use crate::moment::Moment;

impl Failing {
    pub(super) fn judge(&self, server: usize, was: &Record, next: &Step) -> Judged {
        let truth = &self.truths[server];
        let there = self.run.model.servers[server].there;
        let is_failure = was.reason == Reason::Failure;
        for action in &next.actions {
            match action {
                Action::Quiesce => self.run.judge_floor(server, &next.record, was.state)?,
                Action::Remove { .. } if is_failure => self.judge_removal(server, was, next)?,
                Action::SetWeight(_) | Action::Add(_) => {
                    prop_assert!(!truth.is_foreign, "another hand had set it to 0");
                    prop_assert_eq!(next.record.state, State::Restoring);
                }
                _ => {}
            }
        }
        let state = next.record.state;
        if state == State::Restoring && was.state != State::Restoring && was.state != State::Pooled {
            prop_assert!(is_failure, "health ends no maintenance");
            self.judge_return(server, &next.record)?;
        }
        if state == State::Restored && was.state != State::Restored {
            prop_assert!(!truth.is_foreign);
            prop_assert_eq!(there, Some(truth.intended), "restored to the letter");
        }
        Ok(())
    }

    /// By what the sources found, without the board.
    fn judge_removal(&self, server: usize, was: &Record, next: &Step) -> Judged {
        let policy = was.policy.failure;
        prop_assert_eq!(policy.then, OnFailure::Remove);
        self.run.judge_floor(server, &next.record, was.state)?;
        let there = self.run.model.servers[server].there;
        prop_assert_eq!(there.map(|there| there.weight), Some(0));
        let rows: Vec<(Moment, u32)> = (0..SOURCES.len())
            .filter_map(|source| self.row(server, source))
            .collect();
        let Some(since) = rows.iter().map(|(since, _)| *since).min() else {
            return Err(TestCaseError::fail("nobody says that it fails"));
        };
        let lasted = self.now().since(since);
        let failures: u32 = rows.iter().map(|(_, failures)| failures).sum();
        let remove_after = Duration::from_secs(u64::from(policy.remove_after_secs));
        prop_assert!(lasted >= remove_after || rows.len() >= 2, "after {lasted:?}");
        prop_assert!(failures >= policy.confirmations, "{failures} failures");
        let other_logs = (0..SERVERS)
            .filter(|other| *other != server)
            .flat_map(|other| &self.truths[other].logs);
        let is_looked_at = other_logs.clone().any(|log| !log.is_empty());
        let is_passed = other_logs
            .flatten()
            .any(|(at, look)| *look == Look::Passes && *at > since);
        prop_assert!(is_passed || !is_looked_at, "another server was found well since");
        Ok(())
    }

    /// The present row of failures: since when, and how many. It ends with as many passes as make it up, and with silence.
    fn row(&self, server: usize, source: usize) -> Option<(Moment, u32)> {
        let log = &self.truths[server].logs[source];
        let mut since = None;
        let (mut failures, mut passes, mut heard) = (0, 0, None);
        for (at, look) in log.iter().filter(|(_, look)| *look != Look::NoResult) {
            if heard.is_some_and(|heard: Moment| at.since(heard).as_secs() > STALE_AFTER) {
                (since, failures, passes) = (None, 0, 0);
            }
            heard = Some(*at);
            if *look == Look::Fails {
                since = since.or(Some(*at));
                (failures, passes) = (failures + 1, 0);
            } else {
                (failures, passes) = (0, passes + 1);
                if passes >= self.counting.rise {
                    since = None;
                }
            }
        }
        let is_fresh = heard.is_some_and(|heard| self.now().since(heard).as_secs() <= STALE_AFTER);
        since.filter(|_| is_fresh).map(|since| (since, failures))
    }

    /// It goes back because it is well, and was for long enough.
    pub(super) fn judge_return(&self, server: usize, record: &Record) -> Judged {
        prop_assert_eq!(record.reason, Reason::Failure);
        let verdict = self.health(server).map(|health| health.verdict);
        prop_assert_eq!(verdict, Some(Verdict::Up));
        let level = record.failure.as_ref().map_or(1, |failure| failure.level);
        let needed = record.policy.failure.hold_down(level);
        let since = self.truths[server].down_at.map(|at| self.now().since(at));
        prop_assert!(
            since.is_none_or(|since| since >= needed),
            "{since:?} of {needed:?}"
        );
        let fresh = |log: &Log| {
            let last = log.iter().rev().find(|(_, look)| *look != Look::NoResult);
            last.is_some_and(|(at, _)| self.now().since(*at).as_secs() <= STALE_AFTER)
        };
        prop_assert!(self.truths[server].logs.iter().any(fresh), "somebody knows it");
        Ok(())
    }

    /// Nothing goes wrong any more, maintenance ends, and all sources find all servers well: all are back in service.
    pub(super) fn end_fairly(&mut self) -> Judged {
        self.run.model.heal();
        self.run.dies_after = None;
        for truth in &mut self.truths {
            truth.looks = [Look::Passes; SOURCES.len()];
        }
        for server in 0..SERVERS {
            let record = self.run.records[server].clone();
            if record
                .as_ref()
                .is_some_and(|record| record.reason != Reason::Failure)
            {
                self.restore(server)?;
            }
            let is_ours = self.run.records[server]
                .as_ref()
                .is_some_and(|record| match record.state {
                    State::Restored | State::Yielded => false,
                    State::Removed => record.reason == Reason::Failure,
                    State::Pooled => self.run.model.servers[server].there.is_some(),
                    // In a slow start it is never at 0 by us: another hand put it there, and the drain is about to yield.
                    State::Restoring if record.ramp.is_some_and(|ramp| !ramp.turned) => {
                        let there = self.run.model.servers[server].there;
                        there.map_or(record.removal.is_some(), |there| there.weight > 0)
                    }
                    _ => record.removal.is_some() || self.run.model.servers[server].there.is_some(),
                });
            let truth = &mut self.truths[server];
            if !is_ours || truth.is_foreign {
                truth.is_foreign = false;
                self.run.model.servers[server].there = Some(truth.intended);
            }
        }
        let policy = self.run.model.setting.policy;
        let most = 20 + policy.failure.longest_hold_down_secs + policy.slow_start_secs;
        self.pass(u64::from(most))?;
        for server in 0..SERVERS {
            let record = &self.run.records[server];
            let there = self.run.model.servers[server].there;
            prop_assert_eq!(
                there,
                Some(self.truths[server].intended),
                "{}",
                told(record.as_ref())
            );
            prop_assert!(
                record.as_ref().is_none_or(Record::is_over),
                "{}",
                told(record.as_ref())
            );
        }
        prop_assert!(!self.run.model.expire_nodest, "given back");
        Ok(())
    }
}

fn told(record: Option<&Record>) -> String {
    let Some(record) = record else {
        return "no drain".to_owned();
    };
    let steps = record
        .transitions
        .iter()
        .map(|step| format!("{} {}: {}", step.at.as_nanos() / 1_000_000_000, step.to, step.why));
    let steps: Vec<String> = steps.collect();
    format!(
        "{} {} {:?} {:?}: {steps:#?}",
        record.reason, record.state, record.failure, record.observed.held
    )
}
