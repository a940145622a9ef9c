//! Makes the checks as they come due, so many at once, and hands on what they find.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::sleep;
use tracing::{info, warn};

use super::job::Job;
use super::probe::probe;
use super::schedule::{Ended, Run, Schedule};
use super::wanted::{Key, Wanted};
use crate::clock;
use crate::health::{Finding, Outcome};

/// Checks what is wanted until nobody wants anything, or hears of it.
pub(super) async fn run(
    mut wanted: watch::Receiver<Wanted>,
    at_once: usize,
    findings: mpsc::Sender<Finding>,
) {
    let mut schedule = Schedule::default();
    let mut tries = Tries::at_once(at_once);
    let mut said = Said::default();
    let mut known = Wanted::new();
    loop {
        for run in schedule.due(clock::now()) {
            tries.begin(run);
        }
        let next = schedule.next();
        let pause = async {
            match next {
                Some(due) => sleep(due.since(clock::now())).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    return;
                }
                let wanted = wanted.borrow_and_update().clone();
                for run in schedule.want(&wanted, clock::now(), rand::random) {
                    tries.end(run);
                }
                said.forget_all_but(&wanted);
                for finding in news(&known, &wanted) {
                    if findings.send(finding).await.is_err() {
                        return;
                    }
                }
                known = wanted;
                continue;
            }
            Some(ended) = tries.next() => ended,
            () = pause => continue,
        };
        if !schedule.ended(&ended, rand::random()) {
            continue;
        }
        said.say(&ended);
        let Ended {
            run,
            began,
            at,
            outcome,
            ..
        } = ended;
        let finding = run
            .job
            .finding(run.key.service, run.key.server, outcome, (began, at));
        if findings.send(finding).await.is_err() {
            return;
        }
    }
}

/// A server that is checked from now on counts among those that somebody looks at, before its first result; of one that
/// is checked no more, nothing is said any more.
fn news(known: &Wanted, wanted: &Wanted) -> Vec<Finding> {
    let now = clock::now();
    let tell = |key: &Key, job: &Job, outcome| job.finding(key.service, key.server, outcome, (now, now));
    let gone = known.iter().filter(|(key, _)| !wanted.contains_key(*key));
    let new = wanted.iter().filter(|(key, _)| !known.contains_key(*key));
    let first = || Outcome::NoResult("its first check has not ended yet".to_owned());
    gone.map(|(key, job)| tell(key, job, Outcome::Withdrawn))
        .chain(new.map(|(key, job)| tell(key, job, first())))
        .collect()
}

/// The tries that are being made, or wait for their turn.
#[derive(Debug)]
struct Tries {
    turns: Arc<Semaphore>,
    tasks: JoinSet<Ended>,
    runs: HashMap<u64, (Run, AbortHandle)>,
}

impl Tries {
    fn at_once(many: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(many)),
            tasks: JoinSet::new(),
            runs: HashMap::new(),
        }
    }

    fn begin(&mut self, run: Run) {
        let (turns, made) = (self.turns.clone(), run.clone());
        let task = self.tasks.spawn(async move {
            let asked = clock::now();
            // Never closed: without a turn it would be tried all the same.
            let _turn = turns.acquire().await;
            let began = clock::now();
            let outcome = probe(&made.job, &made.key).await;
            Ended {
                run: made,
                waited: began - asked,
                began,
                at: clock::now(),
                outcome,
            }
        });
        self.runs.insert(run.number, (run, task));
    }

    fn end(&mut self, run: u64) {
        if let Some((_, task)) = self.runs.remove(&run) {
            task.abort();
        }
    }

    /// The next one that has ended; `None` if there is none, for now.
    async fn next(&mut self) -> Option<Ended> {
        loop {
            match self.tasks.join_next().await? {
                Ok(ended) => {
                    self.runs.remove(&ended.run.number);
                    return Some(ended);
                }
                Err(broken) => {
                    if let Some(ended) = self.broken(&broken) {
                        return Some(ended);
                    }
                }
            }
        }
    }

    /// A try that panicked is no result; one that was ended is not missed.
    fn broken(&mut self, broken: &JoinError) -> Option<Ended> {
        let by_task = |(_, (_, task)): &(&u64, &(Run, AbortHandle))| task.id() == broken.id();
        let number = *self.runs.iter().find(by_task)?.0;
        let (run, _) = self.runs.remove(&number)?;
        let at = clock::now();
        Some(Ended {
            run,
            waited: Duration::ZERO,
            began: at,
            at,
            outcome: Outcome::NoResult(format!(
                "a fault of the daemon itself, please report it: {broken}"
            )),
        })
    }
}

/// What was said already.
#[derive(Debug, Default)]
struct Said {
    /// Of these servers that their check cannot be made: once, until it can.
    without_result: BTreeSet<Key>,
    /// That checks come late: once.
    late: bool,
}

impl Said {
    fn say(&mut self, ended: &Ended) {
        let key = &ended.run.key;
        if !self.late && ended.waited > ended.run.job.interval() {
            self.late = true;
            warn!(
                "checks come late: one waited for its turn for {} ms; raise concurrent_checks in [daemon], or lower timeouts",
                ended.waited.as_millis()
            );
        }
        match &ended.outcome {
            Outcome::NoResult(cause) => {
                if self.without_result.insert(key.clone()) {
                    warn!(service = %key.service, server = %key.server, "{}: no result: {cause}", key.source);
                }
            }
            Outcome::Passed | Outcome::Failed(_) | Outcome::Withdrawn => {
                if self.without_result.remove(key) {
                    info!(service = %key.service, server = %key.server, "{}: there are results again", key.source);
                }
            }
        }
    }

    fn forget_all_but(&mut self, wanted: &Wanted) {
        self.without_result.retain(|key| wanted.contains_key(key));
    }
}
