//! Has rows run, in guests one kernel beside the other or on this machine, and writes down each cell as it is told.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::bar::Bar;
use super::host;
use super::plan::{Boot, Place};
use super::record::{Cost, Key, Record, Records};
use super::{LIMIT, SILENCE};
use crate::lab::{self, Event, Request, ScenarioResult};

pub(super) const SCENARIO: &str = "bench-loss";

/// What all boots share.
#[derive(Debug)]
pub(super) struct Boots<'a> {
    pub(super) records: &'a Mutex<Records>,
    pub(super) commit: String,
    pub(super) memory_mib: u32,
    /// Where what a host runs is, if it is not to be built.
    pub(super) binaries: Option<PathBuf>,
    pub(super) bar: Bar,
}

impl Boots<'_> {
    /// Runs all of them; whether every cell has a result that means something. Two boots of one place
    /// are never up at the same time.
    pub(super) fn run(&self, boots: Vec<Boot>, guests: Option<usize>) -> bool {
        let mut queues: Vec<(Place, VecDeque<Boot>)> = Vec::new();
        for boot in boots {
            match queues.iter_mut().find(|(place, _)| *place == boot.place) {
                Some((_, queue)) => queue.push_back(boot),
                None => queues.push((boot.place.clone(), [boot].into())),
            }
        }
        let at_once = guests.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let queues = Mutex::new(queues.into_iter().collect::<VecDeque<_>>());
        let next = || queues.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let work = || {
            let mut all_well = true;
            while let Some((_, queue)) = next() {
                for boot in queue {
                    all_well &= self.boot(&boot);
                }
            }
            all_well
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..at_once.max(1)).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .all(|worker| worker.join().expect("running boots does not panic"))
        })
    }

    /// A boot that fails is said to have; its cells are missing, and the next run takes them up.
    fn boot(&self, boot: &Boot) -> bool {
        let ended = self.follow(boot);
        self.bar.ended(boot);
        match ended {
            Ok(all_well) => all_well,
            Err(error) => {
                self.bar.say(&format!("{boot}: {error:#}"));
                false
            }
        }
    }

    fn follow(&self, boot: &Boot) -> Result<bool> {
        let mut release = String::new();
        let mut told = 0;
        let mut all_well = true;
        let mut failure = None;
        let results = self.perform(boot, &mut |event| match event {
            Event::Booted { kernel, .. } => {
                release.clone_from(kernel);
                self.bar.booted(boot, kernel);
            }
            Event::Alive { guest_seconds } => self.bar.alive(boot, *guest_seconds),
            Event::Progress { data, .. } if data["cell"].is_object() => {
                told += 1;
                match self.keep(boot, &release, &data["cell"]) {
                    Ok(is_valid) => all_well &= is_valid,
                    Err(error) => failure = Some(error),
                }
            }
            Event::Trouble { text } => self.bar.say(text),
            _ => {}
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        for result in results {
            ensure!(result.passed, "{}", result.error.unwrap_or_default());
        }
        ensure!(
            told == boot.worlds(),
            "{told} cells were told of, of {}",
            boot.worlds()
        );
        Ok(all_well)
    }

    fn perform(&self, boot: &Boot, on_event: &mut dyn FnMut(&Event)) -> Result<Vec<ScenarioResult>> {
        let rows: Vec<Value> = boot.rows.iter().map(super::plan::Row::to_json).collect();
        let options = json!({"rows": rows});
        match &boot.place {
            Place::Guest(kernel) => {
                let request = Request {
                    options,
                    memory_mib: self.memory_mib,
                    limit: LIMIT,
                    silence_limit: SILENCE,
                    ..Request::new(kernel.clone(), vec![SCENARIO.to_owned()])
                };
                lab::run(&request, on_event)
            }
            Place::Host(release) => {
                let program = host::program(self.binaries.as_deref())?;
                host::run(&program, release, &options, on_event)
            }
        }
    }

    /// Writes a cell down; whether it means something.
    fn keep(&self, boot: &Boot, release: &str, cell: &Value) -> Result<bool> {
        let word = |key: &str| {
            let word = cell[key].as_str().map(str::to_owned);
            word.with_context(|| format!("a cell has `{key}`: {cell}"))
        };
        let options = match &boot.place {
            Place::Guest(_) => json!({"memory_mib": self.memory_mib, "worlds": boot.worlds()}),
            Place::Host(_) => json!({"host": true, "worlds": boot.worlds()}),
        };
        let record = Record {
            key: Key {
                kernel: boot.place.to_string(),
                traffic: word("traffic")?,
                forwarding: word("forwarding")?,
                expire_nodest_conn: u8::try_from(cell["expire_nodest_conn"].as_u64().unwrap_or(2))?,
                strategy: word("strategy")?,
            },
            cost: serde_json::from_value::<Cost>(cell.clone()).ok(),
            void: word("void").ok(),
            release: release.to_owned(),
            commit: self.commit.clone(),
            options,
        };
        let is_valid = record.valid().is_some();
        if !is_valid {
            let why = record.void.as_deref().unwrap_or("its cost cannot be read");
            self.bar.say(&format!("void: {}: {why}", record.key));
        }
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.append(record)?;
        Ok(is_valid)
    }
}
