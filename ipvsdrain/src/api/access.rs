//! Who may reach the daemon: two sockets, one to act and one only to look, each for root and one group.
//!
//! The file system keeps others out; nothing here asks who a client is.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{Gid, Group};

/// The groups that are used where the host has them and nothing else is configured.
pub const GROUP: &str = "ipvsdrain";
pub const READ_GROUP: &str = "ipvsdrain-read";

/// A socket and who may connect to it besides root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    pub path: PathBuf,
    /// `None`: the group the daemon runs as.
    pub group: Option<Gid>,
}

/// Both sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub acting: Door,
    pub reading: Door,
}

/// Why a group cannot be let in.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error(
        "there is no group `{0}`: make it with `groupadd --system {0}`, or name another in the configuration"
    )]
    NoGroup(String),
    #[error("group `{name}` cannot be looked up: {errno}")]
    Lookup { name: String, errno: Errno },
}

impl Access {
    /// The acting socket here and the reading one beside it, both for the daemon's own group.
    pub fn at(socket: &Path) -> Self {
        let door = |path: PathBuf| Door { path, group: None };
        Self {
            acting: door(socket.to_owned()),
            reading: door(reading_socket(socket)),
        }
    }

    /// For these groups; where none is named, for [`GROUP`] and [`READ_GROUP`], if the host has them.
    pub fn for_groups(mut self, acting: Option<&str>, reading: Option<&str>) -> Result<Self, AccessError> {
        self.acting.group = group(acting, GROUP)?;
        self.reading.group = group(reading, READ_GROUP)?;
        Ok(self)
    }
}

fn group(named: Option<&str>, usual: &str) -> Result<Option<Gid>, AccessError> {
    let name = named.unwrap_or(usual);
    let found = Group::from_name(name).map_err(|errno| AccessError::Lookup {
        name: name.to_owned(),
        errno,
    })?;
    match found {
        Some(group) => Ok(Some(group.gid)),
        None if named.is_none() => Ok(None),
        None => Err(AccessError::NoGroup(name.to_owned())),
    }
}

/// Where one may look whose acting socket this is: `x.sock` -> `x-read.sock`.
pub fn reading_socket(acting: &Path) -> PathBuf {
    let mut name = acting.file_stem().unwrap_or_default().to_owned();
    name.push("-read");
    if let Some(extension) = acting.extension() {
        name.push(".");
        name.push(extension);
    }
    acting.with_file_name::<OsString>(name)
}

/// The name of the group that a socket is for, as the file system has it.
pub(super) fn group_of(socket: &Path) -> String {
    let gid = std::fs::metadata(socket).map(|found| Gid::from_raw(found.gid()));
    gid.map_or_else(|_| GROUP.to_owned(), |gid| group_name(Some(gid)))
}

/// The name of a group, or else its number; of none, that of the group this process runs as.
pub(super) fn group_name(group: Option<Gid>) -> String {
    let gid = group.unwrap_or_else(Gid::effective);
    let found = Group::from_gid(gid).ok().flatten();
    found.map_or_else(|| gid.to_string(), |group| group.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reading_socket_lies_beside_the_acting_one() {
        let of = |path: &str| reading_socket(Path::new(path)).display().to_string();
        assert_eq!(
            of("/run/ipvsdrain/ipvsdrain.sock"),
            "/run/ipvsdrain/ipvsdrain-read.sock"
        );
        assert_eq!(of("/tmp/a/socket"), "/tmp/a/socket-read");
    }

    #[test]
    fn a_group_that_is_named_must_be_there_and_the_usual_one_need_not() {
        let named = Access::at(Path::new("/x")).for_groups(Some("no-such-group"), None);
        let said = named.unwrap_err().to_string();
        assert!(
            said.contains("no-such-group") && said.contains("groupadd"),
            "{said}"
        );
        assert_eq!(group(None, "no-such-group").unwrap(), None);
        assert_eq!(
            group(Some("root"), "no-such-group").unwrap(),
            Some(Gid::from_raw(0))
        );
    }
}
