//! Takes up the drains that the journal holds: at the start, and again once a journal that did not work does.
//!
//! Until the journal was read for the first time, this daemon knows none of its drains: nothing in the table is touched
//! and what an earlier daemon left to count is neither taken up nor discarded. Afterwards memory is what the journal
//! last acknowledged, so a fault in between costs nothing: drains are held, and go on.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{info, warn};

use super::executor::perform;
use super::journal::{Broken, Journal, JournalError};
use super::kernel::Kernel;
use super::supervisor::{Key, Supervisor};
use crate::drain::{Action, Borrowed, Hold, Outcome, Record, State, Step, Transition};
use crate::moment::Moment;

/// Why a drain of an earlier boot ended. When that was, nobody knows: its clock began anew.
pub const REBOOTED: &str = "the machine was rebooted: the table it was about is gone";

/// How the journal does, for others to see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JournalCondition {
    /// Why it does not work; `None` while it does.
    pub fault: Option<Broken>,
    /// The journal was read once since the start. Before that, any server at weight 0 may be one of its drains.
    pub drains_known: bool,
}

type Records = BTreeMap<Key, Record>;

impl<K: Kernel> Supervisor<K> {
    /// Looks after the journal, and takes up what is in it once it works again.
    pub(super) fn tend_journal(&mut self) {
        if self.journal.tend(self.kernel.now()) {
            info!("the journal works again");
            self.take_up_journal();
            self.show();
        }
        self.show_condition();
    }

    /// What the journal holds becomes what this daemon does. All or nothing: a fault leaves everything as it was.
    pub(super) fn take_up_journal(&mut self) {
        let now = self.kernel.now();
        let is_first = !self.drains_known;
        let boot_id = &self.boot_id;
        let memory = &self.records;
        let taken = self.journal.with(now, |journal| {
            if is_first {
                resume(journal, boot_id, now)
            } else {
                go_on(journal, memory, now)
            }
        });
        let Ok(records) = taken else {
            return; // The journal's keeper says why, and tries again.
        };
        self.records = records;
        self.drains_known = true;
        if is_first {
            let unfinished: BTreeSet<Key> = self.unfinished().collect();
            self.kernel.take_up(&unfinished);
        }
    }

    /// Without a journal nothing moves: of the step only what it saw is kept, and only those actions are performed that
    /// observe, or that put back what is borrowed. Said once, not every second.
    pub(super) async fn hold_unjournalled(&mut self, record: Record, next: Step, fault: &Broken) {
        let hold = Hold::ActionFailed(format!("the journal does not work: {fault}"));
        if record.observed.held.as_ref() != Some(&hold) {
            warn!(service = %record.service, server = %record.server, "held: {hold}");
        }
        let actions = without_journal(&record, &next.actions);
        let mut kept = Record {
            observed: next.record.observed,
            ..record
        };
        let performed = perform(&mut self.kernel, &kept, &actions).await;
        kept.observed.failed = performed.err().map(|fault| fault.0);
        kept.observed.held = Some(hold);
        self.records.insert((kept.service, kept.server), kept);
    }

    pub(super) fn show_condition(&self) {
        let now = JournalCondition {
            fault: self.journal.fault().cloned(),
            drains_known: self.drains_known,
        };
        self.condition.send_if_modified(|shown| {
            let is_news = *shown != now;
            *shown = now;
            is_news
        });
    }
}

/// To observe changes nothing, and a setting goes back to the value that was journalled before it was changed.
fn without_journal(record: &Record, actions: &[Action]) -> Vec<Action> {
    let removes = actions
        .iter()
        .any(|action| matches!(action, Action::Remove { .. }));
    let may = |action: &&Action| match action {
        Action::Watch => true,
        Action::Set(setting, on) => {
            !removes
                && record
                    .borrowed
                    .of(*setting)
                    .is_some_and(|loan| loan.before == *on)
        }
        Action::Unwatch | Action::Quiesce | Action::SetWeight(_) | Action::Add(_) | Action::Remove { .. } => {
            false
        }
    };
    actions.iter().filter(may).copied().collect()
}

/// At the start: the drains where the journal left them. Those of an earlier boot are closed: the table they were
/// about is gone.
fn resume(journal: &mut Journal, boot_id: &str, now: Moment) -> Result<Records, JournalError> {
    let mut records = Records::new();
    for kept in journal.latest()? {
        let mut record = kept.clone();
        if record.boot_id != boot_id {
            if !record.state.is_final() {
                close(&mut record, REBOOTED, now);
            }
            // The sysctls began anew with the boot, and so did the flags of the services.
            record.borrowed = Borrowed::default();
            if record.is_counting() {
                record.outcome = Some(Outcome::unknown(
                    "the machine was rebooted before the count was over",
                ));
            }
            // Only what is news: each is a write to the disk, and past drains are many.
            if record != kept {
                journal.save(&record)?;
            }
        }
        if !record.is_over() {
            info!(service = %record.service, server = %record.server, state = %record.state, "resumed from the journal");
        }
        records.insert((record.service, record.server), record);
    }
    Ok(records)
}

/// After a fault: memory holds what was acknowledged, so it wins. What another file at the same place lacks is written
/// to it. An unfinished drain that is unknown here was refused to whoever asked, when its beginning could not be
/// journalled for sure; it is closed.
fn go_on(journal: &mut Journal, memory: &Records, now: Moment) -> Result<Records, JournalError> {
    let of_key = |record: Record| ((record.service, record.server), record);
    let mut kept: Records = journal.latest()?.into_iter().map(of_key).collect();
    let mut records = memory.clone();
    for (key, record) in &mut records {
        let in_file = kept.remove(key);
        if let Some(same) = in_file.as_ref().filter(|other| other.id == record.id) {
            if same.durable() != record.durable() {
                journal.save(record)?;
            }
            continue;
        }
        if let Some(stranger) = in_file {
            close_stranger(journal, stranger, now)?;
        }
        if !record.is_over() {
            record.id = 0;
            record.id = journal.save(record)?;
            info!(service = %record.service, server = %record.server, id = record.id, "written to the journal that is there now");
        }
    }
    for (key, stranger) in kept {
        records.insert(key, close_stranger(journal, stranger, now)?);
    }
    Ok(records)
}

fn close_stranger(journal: &mut Journal, mut record: Record, now: Moment) -> Result<Record, JournalError> {
    if !record.state.is_final() {
        close(
            &mut record,
            "it is in the journal, and this daemon did not begin it: nothing is done about it",
            now,
        );
        journal.save(&record)?;
    }
    Ok(record)
}

fn close(record: &mut Record, why: &str, now: Moment) {
    info!(service = %record.service, server = %record.server, "{} -> {}: {why}", record.state, State::Yielded);
    record.transitions.push(Transition {
        at: now,
        from: record.state,
        to: State::Yielded,
        why: why.to_owned(),
        evidence: None,
    });
    record.state = State::Yielded;
}
