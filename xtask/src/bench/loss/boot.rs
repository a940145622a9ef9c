//! Boots guests, one kernel beside the other, and writes down each cell as it is told.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::bar::Bar;
use super::plan::Boot;
use super::record::{Cost, Key, Record, Records};
use super::{LIMIT, SILENCE};
use crate::lab::{self, Event, KernelChoice, Request};

const SCENARIO: &str = "bench-loss";

/// What all boots share.
#[derive(Debug)]
pub(super) struct Boots<'a> {
    pub(super) records: &'a Mutex<Records>,
    pub(super) commit: String,
    pub(super) memory_mib: u32,
    pub(super) bar: Bar,
}

impl Boots<'_> {
    /// Runs all of them; whether every cell has a result that means something. Two guests of one kernel are never up
    /// at the same time.
    pub(super) fn run(&self, boots: Vec<Boot>, guests: Option<usize>) -> bool {
        let mut queues: Vec<(KernelChoice, VecDeque<Boot>)> = Vec::new();
        for boot in boots {
            match queues.iter_mut().find(|(kernel, _)| *kernel == boot.kernel) {
                Some((_, queue)) => queue.push_back(boot),
                None => queues.push((boot.kernel.clone(), [boot].into())),
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
        let rows: Vec<Value> = boot.rows.iter().map(super::plan::Row::to_json).collect();
        let request = Request {
            options: json!({"rows": rows}),
            memory_mib: self.memory_mib,
            limit: LIMIT,
            silence_limit: SILENCE,
            ..Request::new(boot.kernel.clone(), vec![SCENARIO.to_owned()])
        };
        let mut release = String::new();
        let mut told = 0;
        let mut all_well = true;
        let mut failure = None;
        let results = lab::run(&request, &mut |event| match event {
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
            "the guest told of {told} cells of {}",
            boot.worlds()
        );
        Ok(all_well)
    }

    /// Writes a cell down; whether it means something.
    fn keep(&self, boot: &Boot, release: &str, cell: &Value) -> Result<bool> {
        let word = |key: &str| {
            let word = cell[key].as_str().map(str::to_owned);
            word.with_context(|| format!("a cell has `{key}`: {cell}"))
        };
        let record = Record {
            key: Key {
                kernel: boot.kernel.to_string(),
                traffic: word("traffic")?,
                forwarding: word("forwarding")?,
                expire_nodest_conn: u8::try_from(cell["expire_nodest_conn"].as_u64().unwrap_or(2))?,
                strategy: word("strategy")?,
            },
            cost: serde_json::from_value::<Cost>(cell.clone()).ok(),
            void: word("void").ok(),
            release: release.to_owned(),
            commit: self.commit.clone(),
            options: json!({"memory_mib": self.memory_mib, "worlds": boot.worlds()}),
        };
        let is_valid = record.valid().is_some();
        if !is_valid {
            let why = record.void.as_deref().unwrap_or("its cost cannot be read");
            self.bar.say(&format!("void: {:?}: {why}", record.key));
        }
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.append(record)?;
        Ok(is_valid)
    }
}
