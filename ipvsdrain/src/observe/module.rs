//! Which load of the module `ip_vs` the facts and the programs belong to.
//!
//! Owns telling one load from the next. Addresses and probes go with the module, in silence: a probe on a function that
//! is gone reports nothing, which must never be taken for no traffic. sysfs gives each load a folder with an inode of its
//! own. Where `ip_vs` is part of the kernel that folder, if any, stays as it is.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::ObserveError;

const MODULE: &str = "/sys/module/ip_vs";

/// One load of the module, by the inode of its folder; `None` while it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load(Option<u64>);

impl Load {
    /// The one that is in the kernel now: one system call.
    pub(super) fn present() -> Result<Self, ObserveError> {
        inode(Path::new(MODULE))
            .map(Self)
            .map_err(|source| ObserveError::Unreadable {
                what: "the module's folder",
                path: PathBuf::from(MODULE),
                source,
            })
    }

    /// Refuses if the module was taken out of the kernel since, whether it is back or not.
    pub(super) fn still(self, present: Self) -> Result<(), ObserveError> {
        match (self.0, present.0) {
            (before, now) if before == now => Ok(()),
            (_, None) => Err(ObserveError::IpvsUnloaded),
            (_, Some(_)) => Err(ObserveError::IpvsReloaded),
        }
    }
}

fn inode(path: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(folder) => Ok(Some(folder.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_load_still_stands() {
        let [none, first, second] = [None, Some(7), Some(8)].map(Load);
        assert!(first.still(first).is_ok());
        assert!(none.still(none).is_ok(), "part of the kernel, without a folder");
        for (before, now, word) in [
            (first, none, "was unloaded"),
            (first, second, "loaded again"),
            (none, first, "loaded again"),
        ] {
            let said = before.still(now).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn a_folder_that_was_made_anew_is_another_one_and_an_absent_one_is_none() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("ip_vs");
        assert_eq!(inode(&path).unwrap(), None);
        fs::create_dir(&path).unwrap();
        let first = inode(&path).unwrap();
        assert!(first.is_some() && first == inode(&path).unwrap());
        let aside = parent.path().join("aside");
        fs::rename(&path, &aside).unwrap();
        fs::create_dir(&path).unwrap();
        assert_ne!(inode(&path).unwrap(), first);
    }
}
