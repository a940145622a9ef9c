//! The journal: every drain's durable record, on disk before the kernel hears of it.
//!
//! `SQLite` in one file, write-ahead log, fsync on every commit. One row per drain; its record is JSON, so that a
//! person with `sqlite3` can read it:
//!
//! ```text
//! drains(id INTEGER PRIMARY KEY, service TEXT, server TEXT, state TEXT, record TEXT)
//! PRAGMA user_version = SCHEMA
//! ```

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use crate::drain::Record;

/// The layout above. A journal of another one is refused, never guessed at.
const SCHEMA: i64 = 1;

/// What goes wrong with a journal: the file, what was tried, the cause.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(
        "journal {path}: {operation} failed: {source}; look at free space, permissions and the file itself"
    )]
    Sqlite {
        path: PathBuf,
        operation: &'static str,
        source: rusqlite::Error,
    },
    #[error(
        "journal {path}: its layout is version {found}, this daemon knows {SCHEMA}; use the daemon that wrote it"
    )]
    Schema { path: PathBuf, found: i64 },
    #[error("journal {path}: drain {id} cannot be read: {source}; move the file away to start afresh")]
    Record {
        path: PathBuf,
        id: i64,
        source: serde_json::Error,
    },
    #[error("journal {path}: drain of {server} cannot be written as JSON: {source}")]
    Unwritable {
        path: PathBuf,
        server: String,
        source: serde_json::Error,
    },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    connection: Connection,
}

impl Journal {
    /// Opens the journal, or makes it where there is none.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let fail = |operation| {
            move |source| JournalError::Sqlite {
                path: path.to_owned(),
                operation,
                source,
            }
        };
        let connection = Connection::open(path).map_err(fail("open"))?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
            .map_err(fail("open"))?;
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(fail("read the layout version"))?;
        if found != 0 && found != SCHEMA {
            return Err(JournalError::Schema {
                path: path.to_owned(),
                found,
            });
        }
        if found == 0 {
            connection
                .execute_batch(&format!(
                    "BEGIN;
                     CREATE TABLE drains(id INTEGER PRIMARY KEY, service TEXT NOT NULL, server TEXT NOT NULL,
                                         state TEXT NOT NULL, record TEXT NOT NULL);
                     CREATE INDEX drains_of ON drains(service, server);
                     PRAGMA user_version = {SCHEMA};
                     COMMIT;"
                ))
                .map_err(fail("create the tables"))?;
        }
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// Writes a record through to the disk; a record without a number gets one.
    pub fn save(&mut self, record: &Record) -> Result<u64, JournalError> {
        let id = (record.id != 0).then_some(record.id);
        let text = serde_json::to_string(&record.durable()).map_err(|source| JournalError::Unwritable {
            path: self.path.clone(),
            server: record.server.to_string(),
            source,
        })?;
        self.connection
            .query_row(
                "INSERT INTO drains(id, service, server, state, record) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT(id) DO UPDATE SET state = excluded.state, record = excluded.record
                 RETURNING id",
                params![
                    id,
                    record.service.to_string(),
                    record.server.to_string(),
                    record.state.word(),
                    text
                ],
                |row| row.get(0),
            )
            .map_err(|source| JournalError::Sqlite {
                path: self.path.clone(),
                operation: "write a drain",
                source,
            })
    }

    /// The newest record of each real server, oldest first.
    pub fn latest(&self) -> Result<Vec<Record>, JournalError> {
        let fail = |source| JournalError::Sqlite {
            path: self.path.clone(),
            operation: "read the drains",
            source,
        };
        let mut query = self
            .connection
            .prepare("SELECT id, record FROM drains WHERE id IN (SELECT max(id) FROM drains GROUP BY service, server) ORDER BY id")
            .map_err(fail)?;
        let rows = query
            .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
            .map_err(fail)?;
        let mut records = Vec::new();
        for row in rows {
            let (id, text) = row.map_err(fail)?;
            let record: Record = serde_json::from_str(&text).map_err(|source| JournalError::Record {
                path: self.path.clone(),
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
}
