//! One daemon per journal: a lock on a file beside it, held for as long as the daemon lives.
//!
//! Not SQLite's own locks: those would keep a person with `sqlite3` out as well.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use super::error::JournalError;

/// Held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Locks the folder of a journal, and makes it where there is none.
    pub fn take(folder: &Path) -> Result<Self, JournalError> {
        fs::create_dir_all(folder).map_err(|source| JournalError::Io {
            path: folder.to_owned(),
            operation: "make the folder",
            source,
        })?;
        let path = folder.join("lock");
        let file = File::create(&path).map_err(|source| JournalError::Io {
            path: path.clone(),
            operation: "make the file",
            source,
        })?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Self { _file: file }),
            Err((_, errno)) => Err(JournalError::Taken {
                path,
                source: io::Error::from(errno),
            }),
        }
    }
}
