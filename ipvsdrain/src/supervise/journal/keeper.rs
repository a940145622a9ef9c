//! Keeps the journal: open, or with the reason why not and the time of the next try.
//!
//! A fault closes the journal. It is opened again at a bounded pace; where the content of the file is at fault, only
//! once another hand changed it. What is in it then is for the supervisor to take up.

use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::warn;

use super::effort::Effort;
use super::error::JournalError;
use super::lock::Lock;
use super::place::{Place, log_of};
use super::{FILE, Journal};
use crate::clock;
use crate::drain::Record;
use crate::moment::Moment;

/// The pace of new tries.
pub const RETRY_EVERY: Duration = Duration::from_secs(10);

/// Why the journal does not work, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(String);

/// The journal of one daemon, in whatever condition it is.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    condition: Condition,
    /// Missing while the folder cannot be written to, and then the journal is not open either.
    lock: Option<Lock>,
    effort: Effort,
}

#[derive(Debug)]
enum Condition {
    Works(Box<Journal>),
    Broken {
        fault: Broken,
        /// The file at fault and its log, where another try is of no use until they change.
        lasts_with: Option<Content>,
        tried_at: Option<Moment>,
    },
}

type Content = [Option<Place>; 2];

impl Keeper {
    /// The journal in this folder. The only error is that another daemon keeps it; with any other fault the daemon
    /// has to live.
    pub fn at(folder: &Path) -> Result<Self, JournalError> {
        let mut keeper = Self {
            path: folder.join(FILE),
            condition: Condition::Broken {
                fault: Broken("it was not opened yet".to_owned()),
                lasts_with: None,
                tried_at: None,
            },
            lock: None,
            effort: Effort::default(),
        };
        match keeper.open() {
            Ok(()) => {}
            Err(taken @ JournalError::Taken { .. }) => return Err(taken),
            Err(error) => keeper.broke(&error, None),
        }
        Ok(keeper)
    }

    /// Why it does not work; `None` while it does.
    pub fn fault(&self) -> Option<&Broken> {
        match &self.condition {
            Condition::Works(_) => None,
            Condition::Broken { fault, .. } => Some(fault),
        }
    }

    /// An error while it does not work.
    pub fn check(&self) -> Result<(), Broken> {
        self.fault().map_or(Ok(()), |fault| Err(fault.clone()))
    }

    /// What it took so far.
    pub fn effort(&self) -> &Effort {
        &self.effort
    }

    /// Saves a record, see [`Journal::save`]. A failure is a fault of the journal.
    pub fn save(&mut self, record: &Record, now: Moment) -> Result<u64, Broken> {
        // Not `now`, which is the time of the step and stands still during it.
        let begin = clock::now();
        let id = self.with(now, |journal| journal.save(record))?;
        self.effort.committed(clock::now().since(begin));
        Ok(id)
    }

    /// Uses the journal. A failure is a fault of it.
    pub fn with<T>(
        &mut self,
        now: Moment,
        task: impl FnOnce(&mut Journal) -> Result<T, JournalError>,
    ) -> Result<T, Broken> {
        let error = match &mut self.condition {
            Condition::Broken { fault, .. } => return Err(fault.clone()),
            Condition::Works(journal) => match task(journal) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            },
        };
        self.broke(&error, Some(now));
        Err(Broken(error.to_string()))
    }

    /// Looks after it; worth calling once a second. True: it was opened anew, and what is in it has to be taken up.
    pub fn tend(&mut self, now: Moment) -> bool {
        match &mut self.condition {
            Condition::Works(_) => {
                // It says itself what it finds.
                drop(self.with(now, |journal| journal.check_place()));
                return false;
            }
            Condition::Broken { tried_at, .. } => {
                if now.since(*tried_at.get_or_insert(now)) < RETRY_EVERY {
                    return false;
                }
                *tried_at = Some(now);
            }
        }
        if let Condition::Broken {
            lasts_with: Some(content),
            ..
        } = &self.condition
            && *content == self.content()
        {
            return false;
        }
        match self.open() {
            Ok(()) => true,
            Err(error) => {
                self.broke(&error, Some(now));
                false
            }
        }
    }

    /// The lock is taken anew as well: the folder may be another one.
    fn open(&mut self) -> Result<(), JournalError> {
        self.lock = None;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        self.lock = Some(Lock::take(folder)?);
        self.condition = Condition::Works(Box::new(Journal::open(&self.path)?));
        Ok(())
    }

    /// From now on it does not work. Said once for each cause.
    fn broke(&mut self, error: &JournalError, tried_at: Option<Moment>) {
        self.effort.errors += 1;
        let fault = Broken(error.to_string());
        if self.fault() != Some(&fault) {
            warn!("nothing is begun, changed or removed until the journal works: {fault}");
        }
        let broken = Condition::Broken {
            fault,
            lasts_with: None,
            tried_at,
        };
        if let Condition::Works(journal) = mem::replace(&mut self.condition, broken) {
            journal.close_as_it_is(error);
        }
        let content = error.lasts().then(|| self.content());
        if let Condition::Broken { lasts_with, .. } = &mut self.condition {
            *lasts_with = content;
        }
    }

    fn content(&self) -> Content {
        [Place::of(&self.path), Place::of(&log_of(&self.path))]
    }
}

/// A journal that a test opened by itself, without a lock.
#[cfg(test)]
impl From<Journal> for Keeper {
    fn from(journal: Journal) -> Self {
        Self {
            path: journal.path.clone(),
            condition: Condition::Works(Box::new(journal)),
            lock: None,
            effort: Effort::default(),
        }
    }
}
