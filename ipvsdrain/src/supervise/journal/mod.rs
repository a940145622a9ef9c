//! The journal: every drain's durable record, on disk before the kernel hears of it.
//!
//! `SQLite` in one file, write-ahead log, fsync on every commit. One row per drain; its record is JSON, so that a
//! person with `sqlite3` can read it. [`schema`] says what the tables look like and how older ones become them,
//! [`open`] what a file must be like to be taken for a journal, [`keeper`] what happens when it does not work.
//!
//! A file that is refused keeps its bytes: nothing here repairs, empties or deletes one.

mod effort;
mod error;
mod history;
#[cfg(test)]
mod history_tests;
mod keeper;
#[cfg(test)]
mod keeper_tests;
mod lock;
mod open;
#[cfg(test)]
mod open_tests;
mod place;
mod schema;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
pub(crate) mod strain;

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Params, params};

pub use effort::Effort;
pub use error::JournalError;
pub use history::Filter;
pub use keeper::{Broken, Keeper, RETRY_EVERY};
pub use lock::Lock;
use place::Place;

use crate::drain::Record;

/// The journal's file in the daemon's folder.
pub const FILE: &str = "journal.sqlite";

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// Where the open file was found. If another one is there now, nobody would read what is written to this one.
    place: Place,
    connection: Connection,
}

impl Journal {
    /// Writes a record through to the disk; a record without a number gets one.
    pub fn save(&mut self, record: &Record) -> Result<u64, JournalError> {
        self.check_place()?;
        #[cfg(test)]
        strain::put_on(&self.connection);
        let id = (record.id != 0).then_some(record.id);
        let text = serde_json::to_string(&record.durable()).map_err(|source| JournalError::Unwritable {
            path: self.path.clone(),
            server: record.server.to_string(),
            source,
        })?;
        self.connection
            .query_row(
                "INSERT INTO drains(id, service, server, state, began, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT(id) DO UPDATE SET state = excluded.state, record = excluded.record
                 RETURNING id",
                params![
                    id,
                    record.service.to_string(),
                    record.server.to_string(),
                    record.state.word(),
                    i64::try_from(record.started_unix).unwrap_or(i64::MAX),
                    text
                ],
                |row| row.get(0),
            )
            .map_err(error::sqlite(&self.path, "write a drain"))
    }

    /// The newest record of each real server, oldest first.
    pub fn latest(&self) -> Result<Vec<Record>, JournalError> {
        latest(&self.connection, &self.path)
    }

    /// The drains that `filter` asks for, over or not, newest first.
    pub fn history(&self, filter: &Filter) -> Result<Vec<Record>, JournalError> {
        let (query, values) = filter.query();
        let values = rusqlite::params_from_iter(values);
        read(&self.connection, &self.path, &query, values)
    }

    /// Is the open file still the one that the next start would find?
    pub fn check_place(&self) -> Result<(), JournalError> {
        if Place::of(&self.path).is_some_and(|place| place.is_same_file(&self.place)) {
            Ok(())
        } else {
            Err(JournalError::Moved {
                path: self.path.clone(),
            })
        }
    }

    /// Closes it after a fault. By itself SQLite would write the log into the file and delete it by its name; here
    /// both stay as they are, for whoever looks into the fault, and for the next try.
    fn close_as_it_is(self, error: &JournalError) {
        if matches!(error, JournalError::Moved { .. }) {
            // The log was left behind, or went along; either way the moved file is whole with this. Where it fails, the
            // fault is being reported already.
            drop(
                self.connection
                    .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())),
            );
        }
        keep_log_on_close(&self.connection, true);
    }
}

/// Fails only for a connection that is of no use anyway.
fn keep_log_on_close(connection: &Connection, keep: bool) {
    drop(connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep));
}

fn latest(connection: &Connection, path: &Path) -> Result<Vec<Record>, JournalError> {
    let newest = "SELECT id, record FROM drains WHERE id IN (SELECT max(id) FROM drains GROUP BY service, server) ORDER BY id";
    read(connection, path, newest, [])
}

/// The records that a query for `id, record` finds.
fn read(
    connection: &Connection,
    path: &Path,
    query: &str,
    values: impl Params,
) -> Result<Vec<Record>, JournalError> {
    let fail = || error::sqlite(path, "read the drains");
    let mut query = connection.prepare(query).map_err(fail())?;
    let rows = query
        .query_map(values, |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })
        .map_err(fail())?;
    let mut records = Vec::new();
    for row in rows {
        let (id, text) = row.map_err(fail())?;
        let record: Record = serde_json::from_str(&text).map_err(|source| JournalError::Record {
            path: path.to_owned(),
            id,
            source,
        })?;
        records.push(Record {
            id: u64::try_from(id).unwrap_or_default(),
            ..record
        });
    }
    Ok(records)
}
