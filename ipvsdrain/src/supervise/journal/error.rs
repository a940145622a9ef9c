//! What goes wrong with a journal: the file, what was tried, the cause, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// A journal that cannot be used, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(
        "{path}: {operation} failed: {source}; the daemon needs the journal's folder and file readable and writable: \
         see to that, or give --state"
    )]
    Io {
        path: PathBuf,
        operation: &'static str,
        source: io::Error,
    },
    #[error("{path}: another daemon holds it ({source}); stop it, or give --state")]
    Taken { path: PathBuf, source: io::Error },
    #[error(
        "journal {path}: {operation} failed: {source} ({}); {}",
        code(source),
        remedy(source, path)
    )]
    Sqlite {
        path: PathBuf,
        operation: &'static str,
        source: rusqlite::Error,
    },
    #[error("journal {path}: it is damaged: {found}; {}", set_aside(path))]
    Damaged { path: PathBuf, found: String },
    #[error("journal {path}: it holds the tables of another program; move it away, or give --state")]
    Foreign { path: PathBuf },
    #[error(
        "journal {path}: a newer ipvsdrain wrote it, its layout is version {found} and this daemon knows {known}; \
         start the newer one again, or {}",
        set_aside(path)
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "journal {path}: the file is missing or empty, and its write-ahead log {path}-wal is not; bring the file back, \
         or {}",
        set_aside(path)
    )]
    OnlyLog { path: PathBuf },
    #[error(
        "journal {path}: another hand moved, replaced or deleted it while it was in use; put it back, or leave it: the \
         drains under way are written to the one that is there"
    )]
    Moved { path: PathBuf },
    #[error("journal {path}: drain {id} cannot be read: {source}; {}", set_aside(path))]
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

impl JournalError {
    /// Does it last until another hand changes the file? The rest may heal by itself.
    pub(super) fn lasts(&self) -> bool {
        match self {
            JournalError::Sqlite { source, .. } => is_of_the_content(source),
            JournalError::Damaged { .. }
            | JournalError::Foreign { .. }
            | JournalError::Newer { .. }
            | JournalError::OnlyLog { .. }
            | JournalError::Record { .. } => true,
            JournalError::Io { .. }
            | JournalError::Taken { .. }
            | JournalError::Moved { .. }
            | JournalError::Unwritable { .. } => false,
        }
    }
}

/// For `map_err`.
pub(super) fn sqlite<'a>(
    path: &'a Path,
    operation: &'static str,
) -> impl FnOnce(rusqlite::Error) -> JournalError + 'a {
    move |source| JournalError::Sqlite {
        path: path.to_owned(),
        operation,
        source,
    }
}

/// What it costs to do without the file, for those errors that nothing else ends.
fn set_aside(path: &Path) -> String {
    format!(
        "it is left as it is: repair it, or move it away together with {}-wal. Drains that only it knows are forgotten \
         then, and the servers they left at weight 0 must be given their weight by hand: `ipvsdrain status` lists those \
         at weight 0",
        path.display()
    )
}

fn code(source: &rusqlite::Error) -> String {
    match source {
        rusqlite::Error::SqliteFailure(failure, _) => format!("SQLite code {}", failure.extended_code),
        _ => "not as it was written".to_owned(),
    }
}

/// It is what is in the file that is wrong, not the place where it is kept.
fn is_of_the_content(source: &rusqlite::Error) -> bool {
    match source.sqlite_error_code() {
        Some(code) => matches!(
            code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown
        ),
        // A value of another type than was written.
        None => true,
    }
}

fn remedy(source: &rusqlite::Error, path: &Path) -> String {
    let text = match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "free space on its file system",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "make its folder and its files writable for the daemon"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program writes to it: end that program"
        }
        _ if is_of_the_content(source) => return set_aside(path),
        _ => "look at its file system: errors of the disk in `dmesg`, a quota, a mount that is gone",
    };
    text.to_owned()
}
