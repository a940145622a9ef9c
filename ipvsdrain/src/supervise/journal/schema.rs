//! What the tables look like, and how those of older versions become them.
//!
//! `PRAGMA user_version` counts the migrations that a file went through. A new one is appended, never changed; the
//! layout it starts from gets a fixture in `fixtures/`.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tracing::info;

use super::error::{JournalError, sqlite};

/// Each leads from the version that is its index to the next one.
const MIGRATIONS: [&str; 2] = [
    "CREATE TABLE drains(id INTEGER PRIMARY KEY, service TEXT NOT NULL, server TEXT NOT NULL,
                         state TEXT NOT NULL, record TEXT NOT NULL);
     CREATE INDEX drains_of ON drains(service, server);",
    // What the history is asked for: when a drain began (seconds since 1970), alone or with one of the names. And the
    // one setting that could be borrowed became one of several. A record that is no JSON is found out where it is read.
    "ALTER TABLE drains ADD COLUMN began INTEGER NOT NULL DEFAULT 0;
     UPDATE drains SET began = coalesce(CASE WHEN json_valid(record) THEN record ->> '$.started_unix' END, 0);
     UPDATE drains SET record = json_set(record, '$.borrowed', json_object('expire_nodest',
            json_object('before', json(record -> '$.borrowed_expire_nodest'), 'seen_on', json('true'))))
            WHERE CASE WHEN json_valid(record) THEN record ->> '$.borrowed_expire_nodest' END IS NOT NULL;
     CREATE INDEX drains_began ON drains(began);
     CREATE INDEX drains_server ON drains(server, began);
     CREATE INDEX drains_service ON drains(service, began);",
];

/// The version that this daemon reads and writes.
pub(super) const VERSION: usize = MIGRATIONS.len();

/// Brings the tables to this version, all or nothing. Writes even where nothing is to be changed: a full or read-only
/// disk is found out here, not by the first drain.
pub(super) fn bring_up(connection: &mut Connection, path: &Path) -> Result<(), JournalError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sqlite(path, "begin to write"))?;
    let found = version(&transaction, path)?;
    for migration in &MIGRATIONS[found..] {
        transaction
            .execute_batch(migration)
            .map_err(sqlite(path, "bring its tables to this version"))?;
    }
    transaction
        .pragma_update(None, "user_version", VERSION)
        .map_err(sqlite(path, "write its version"))?;
    // Before the commit: a journal that cannot be used stays as it is.
    super::latest(&transaction, path)?;
    transaction.commit().map_err(sqlite(path, "write"))?;
    if found > 0 && found < VERSION {
        info!(path = %path.display(), "the journal was brought from version {found} to {VERSION}");
    }
    Ok(())
}

/// How many migrations the file went through.
fn version(transaction: &Transaction<'_>, path: &Path) -> Result<usize, JournalError> {
    let found: i64 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(sqlite(path, "read its version"))?;
    let tables: i64 = transaction
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sqlite(path, "read its tables"))?;
    match usize::try_from(found) {
        Ok(0) if tables > 0 => Err(JournalError::Foreign {
            path: path.to_owned(),
        }),
        Err(_) => Err(JournalError::Foreign {
            path: path.to_owned(),
        }),
        Ok(known) if known <= VERSION => Ok(known),
        Ok(_) => Err(JournalError::Newer {
            path: path.to_owned(),
            found,
            known: i64::try_from(VERSION).unwrap_or(i64::MAX),
        }),
    }
}
