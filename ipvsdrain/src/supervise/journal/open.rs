//! From a path to an open journal. Everything is looked at before anything is written, so that a file that is refused
//! keeps its bytes.

use std::io;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use rusqlite::{Connection, OpenFlags};
use tracing::info;

use super::error::{JournalError, sqlite};
use super::place::{Place, log_of};
use super::{Journal, keep_log_on_close, schema};

/// How long a person who writes with `sqlite3` may hold up the daemon.
const BUSY: Duration = Duration::from_secs(1);

impl Journal {
    /// Opens the journal, or makes it where there is none. What it answers can be written to, and its newest records
    /// can be read.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        reachable(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(sqlite(path, "open"))?;
        keep_log_on_close(&connection, true);
        connection
            .busy_timeout(BUSY)
            .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
            .map_err(sqlite(path, "open"))?;
        #[cfg(test)]
        super::strain::put_on(&connection);
        check(&connection, path)?;
        schema::bring_up(&mut connection, path)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(sqlite(path, "turn the write-ahead log on"))?;
        let place = Place::of(path).ok_or_else(|| JournalError::Moved {
            path: path.to_owned(),
        })?;
        keep_log_on_close(&connection, false);
        Ok(Self {
            path: path.to_owned(),
            place,
            connection,
        })
    }
}

/// The file can be read and written, or made. Asked by itself because SQLite does not tell the errno.
fn reachable(path: &Path) -> Result<(), JournalError> {
    let fail = |operation, source: io::Error| JournalError::Io {
        path: path.to_owned(),
        operation,
        source,
    };
    let found = match path.metadata() {
        Ok(found) if found.is_file() => Some(found),
        Ok(found) if found.is_dir() => return Err(fail("open", Errno::EISDIR.into())),
        Ok(_) => return Err(fail("open", Errno::EINVAL.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(fail("look at it", error)),
    };
    let has_log = Place::of(&log_of(path)).is_some_and(|log| !log.is_empty());
    if found.as_ref().is_none_or(|found| found.len() == 0) {
        if has_log {
            // SQLite would delete the log, and with it all that was not in the file yet.
            return Err(JournalError::OnlyLog {
                path: path.to_owned(),
            });
        }
        info!(path = %path.display(), "there is no journal yet: it begins empty");
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    access(
        folder.unwrap_or(Path::new(".")),
        AccessFlags::W_OK | AccessFlags::X_OK,
    )
    .map_err(|errno| fail("write into its folder", errno.into()))?;
    if found.is_some() {
        access(path, AccessFlags::R_OK | AccessFlags::W_OK)
            .map_err(|errno| fail("open for reading and writing", errno.into()))?;
    }
    Ok(())
}

/// Every page is where it belongs, and no value is of another kind than its column.
fn check(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(sqlite(path, "check"))?;
    if found == "ok" {
        return Ok(());
    }
    Err(JournalError::Damaged {
        path: path.to_owned(),
        found: found.replace('\n', " "),
    })
}
