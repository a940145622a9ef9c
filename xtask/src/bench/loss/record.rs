//! Results on disk: one line of JSON per cell, appended as it ends. Of a cell with several lines the last one counts.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const FILE: &str = "loss.jsonl";

/// Which cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) kernel: String,
    pub(super) traffic: String,
    pub(super) forwarding: String,
    pub(super) expire_nodest_conn: u8,
    pub(super) strategy: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kernel {}, {}, {}, `expire_nodest_conn` {}, `{}`",
            self.kernel, self.traffic, self.forwarding, self.expire_nodest_conn, self.strategy
        )
    }
}

/// What it cost, as the scenario measured it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Cost {
    pub(super) sent: u64,
    pub(super) bytes: u64,
    pub(super) lost: u64,
    pub(super) answers_lost: u64,
    pub(super) flows: u64,
    pub(super) moved: u64,
    pub(super) reset: u64,
    pub(super) stuck: u64,
    pub(super) broken: u64,
    pub(super) refused: u64,
    pub(super) removed: bool,
    #[serde(default)]
    pub(super) seconds_to_quiesce: Option<f64>,
    pub(super) seconds_to_removal: Option<f64>,
    pub(super) seconds_silent: Option<f64>,
    pub(super) program: Value,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(flatten)]
    pub(super) key: Key,
    #[serde(flatten)]
    pub(super) cost: Option<Cost>,
    /// Why it means nothing.
    pub(super) void: Option<String>,
    /// The kernel, as in `uname -r`.
    pub(super) release: String,
    pub(super) commit: String,
    /// How the guest was set up.
    pub(super) options: Value,
}

impl Record {
    /// What it cost, if that means something.
    pub(super) fn valid(&self) -> Option<&Cost> {
        self.cost.as_ref().filter(|_| self.void.is_none())
    }
}

/// All results of a folder.
#[derive(Debug, Default)]
pub(super) struct Records {
    file: Option<PathBuf>,
    by_key: BTreeMap<Key, Record>,
}

impl Records {
    /// Removes what a folder has; there may be nothing.
    pub(super) fn forget(folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Reads what is there; nothing is written yet.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let mut records = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let record = serde_json::from_str(line)
                .with_context(|| format!("{}, line {number}: not a result", path.display()))?;
            records.take(record);
        }
        records.file = Some(path);
        Ok(records)
    }

    /// Writes one down.
    pub(super) fn append(&mut self, record: Record) -> Result<()> {
        if let Some(path) = &self.file {
            let folder = path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let line = serde_json::to_string(&record)? + "\n";
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(line.as_bytes()))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        self.take(record);
        Ok(())
    }

    /// A result that means something is not replaced by one that does not.
    pub(super) fn take(&mut self, record: Record) {
        if record.valid().is_some() || !self.have(&record.key) {
            self.by_key.insert(record.key.clone(), record);
        }
    }

    /// Whether there is a result that means something.
    pub(super) fn have(&self, key: &Key) -> bool {
        self.by_key
            .get(key)
            .is_some_and(|record| record.valid().is_some())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Record> {
        self.by_key.values()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::bench::loss) fn cost(sent: u64, lost: u64, seconds: Option<f64>) -> Cost {
        Cost {
            sent,
            bytes: 0,
            lost,
            answers_lost: 0,
            flows: 10,
            moved: 0,
            reset: 0,
            stuck: 0,
            broken: 0,
            refused: 0,
            removed: seconds.is_some(),
            seconds_to_quiesce: None,
            seconds_to_removal: seconds,
            seconds_silent: seconds.map(|_| 0.5),
            program: Value::Null,
        }
    }

    pub(in crate::bench::loss) fn record(
        kernel: &str,
        traffic: &str,
        strategy: &str,
        void: Option<&str>,
    ) -> Record {
        Record {
            key: Key {
                kernel: kernel.to_owned(),
                traffic: traffic.to_owned(),
                forwarding: "direct-route".to_owned(),
                expire_nodest_conn: 0,
                strategy: strategy.to_owned(),
            },
            cost: Some(cost(100, 7, Some(10.0))),
            void: void.map(str::to_owned),
            release: "6.1.0".to_owned(),
            commit: "abc".to_owned(),
            options: Value::Null,
        }
    }

    #[test]
    fn results_are_found_again_and_one_that_failed_has_no_cost() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = Records::open(folder.path()).unwrap();
        let whole = record("6.1", "dns", "delete", None);
        let failed = Record {
            cost: None,
            ..record("6.1", "dns", "ipvsdrain", Some("it failed"))
        };
        records.append(whole.clone()).unwrap();
        records.append(failed.clone()).unwrap();
        let again = Records::open(folder.path()).unwrap();
        let read: Vec<_> = again.all().cloned().collect();
        assert_eq!(read, [whole.clone(), failed.clone()]);
        assert!(again.have(&whole.key) && !again.have(&failed.key));
    }

    #[test]
    fn a_void_result_never_hides_one_that_means_something() {
        let mut records = Records::default();
        records.take(record("6.1", "dns", "delete", None));
        records.take(record("6.1", "dns", "delete", Some("too busy")));
        assert!(records.all().all(|record| record.void.is_none()));
    }
}
