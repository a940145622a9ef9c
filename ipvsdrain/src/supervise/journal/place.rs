//! Which file lies at a path, and whether it was changed. Reads metadata alone: opening and closing the file would take
//! the locks from a connection that this process has to it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file as found: which one it is, and when it was written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    device: u64,
    inode: u64,
    size: u64,
    written: (i64, i64),
}

impl Place {
    /// `None`: nothing that can be looked at is there.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            written: (found.mtime(), found.mtime_nsec()),
        })
    }

    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.size == 0
    }
}

/// The write-ahead log of the journal at `path`.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
