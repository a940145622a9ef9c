//! What outlives the daemon: maps and links pinned in a bpf file system, one folder for each network namespace.
//!
//! Owns the folder and its files. Never attaches or counts anything, and never mounts a file system. Whether what lies
//! there can be trusted is [`seal`]'s question.

pub(super) mod seal;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aya::util::KernelVersion;
use ipvsdrain_ebpf::layout::LAYOUT_VERSION;
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::host;

/// The maps that are pinned, under their own names. What else the programs have is worth nothing to a later daemon.
pub(super) const MAPS: [&str; 7] = [
    "WATCHED",
    "FILTER",
    "TALLIES",
    "FLOWS",
    "HEALTH",
    "BEGINNINGS",
    "SEAL",
];

/// The pinned link of the probe on IPVS.
pub(super) const PROBE: &str = "probe";

/// From this version on a probe's attachment is a link, which can be pinned.
const FIRST: (KernelVersion, &str) = (KernelVersion::new(5, 15, 0), "5.15");

/// The folder of one network namespace: `ROOT/LAYOUT VERSION/INODE OF THE NAMESPACE`. It need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pins {
    folder: PathBuf,
}

impl Pins {
    /// The folder of the calling thread's network namespace, below `root`. Errors say why nothing can be pinned here.
    pub(super) fn at(root: &Path) -> Result<Self, String> {
        let (first, name) = FIRST;
        if KernelVersion::current().is_ok_and(|running| running < first) {
            return Err(format!(
                "a kernel before {name} cannot keep a probe without its daemon"
            ));
        }
        let there = root.ancestors().find(|path| path.exists()).unwrap_or(root);
        match statfs(there) {
            Ok(found) if found.filesystem_type() == BPF_FS_MAGIC => {}
            Ok(_) => {
                return Err(format!(
                    "{} is not in a bpf file system: `mount -t bpf bpf /sys/fs/bpf`",
                    root.display()
                ));
            }
            Err(errno) => return Err(format!("{} cannot be looked at: {errno}", there.display())),
        }
        let network = host::network().map_err(|error| error.to_string())?;
        Ok(Self {
            folder: root.join(LAYOUT_VERSION.to_string()).join(network.to_string()),
        })
    }

    /// Every folder below `root`, of any layout version and namespace.
    pub(super) fn all(root: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for version in folders(root)? {
            found.extend(folders(&version)?.into_iter().map(|folder| Self { folder }));
        }
        Ok(found)
    }

    /// The folders of this namespace that programs of another layout left.
    pub(super) fn of_other_layouts(&self) -> io::Result<Vec<Self>> {
        let root = self.folder.parent().and_then(Path::parent);
        let mut found = Self::all(root.unwrap_or(&self.folder))?;
        found.retain(|other| other != self && other.folder.file_name() == self.folder.file_name());
        Ok(found)
    }

    pub(super) fn exists(&self) -> bool {
        self.folder.exists()
    }

    /// Makes the folder, for root's eyes alone.
    pub(super) fn make(&self) -> Result<(), String> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|error| format!("the folder {self} cannot be made: {error}"))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The names of what is pinned.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.folder)?;
        let mut names = entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    /// Takes all pins away, and the folders that are empty then. What nobody else holds is detached by that.
    pub(super) fn remove(&self) -> io::Result<()> {
        for name in self.names()? {
            fs::remove_file(self.path(&name))?;
        }
        fs::remove_dir(&self.folder)?;
        // The folder of the version, and the root, unless another namespace uses them.
        for folder in self.folder.ancestors().skip(1).take(2) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Pins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.folder.display().fmt(f)
    }
}

/// The folders in `folder`; none if it does not exist.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins(root: &Path, version: u32, network: u32) -> Pins {
        let folder = root.join(version.to_string()).join(network.to_string());
        let pins = Pins { folder };
        pins.make().unwrap();
        fs::write(pins.path("FLOWS"), "").unwrap();
        pins
    }

    #[test]
    fn a_folder_that_is_in_no_bpf_file_system_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let said = Pins::at(&folder.path().join("not").join("there")).unwrap_err();
        assert!(said.contains("mount -t bpf bpf /sys/fs/bpf"), "{said}");
    }

    #[test]
    fn other_layouts_are_found_for_the_own_namespace_alone() {
        let root = tempfile::tempdir().unwrap();
        let own = pins(root.path(), 4, 77);
        let old = pins(root.path(), 3, 77);
        let foreign = pins(root.path(), 3, 78);
        assert_eq!(own.of_other_layouts().unwrap(), std::slice::from_ref(&old));
        old.remove().unwrap();
        assert!(!old.exists() && own.exists() && foreign.exists());
        assert_eq!(own.of_other_layouts().unwrap(), []);
    }

    #[test]
    fn the_last_pins_take_the_root_along() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("ipvsdrain");
        let both = [pins(&root, 4, 77), pins(&root, 4, 78)];
        assert_eq!(Pins::all(&root).unwrap().len(), 2);
        both[0].remove().unwrap();
        assert!(root.exists());
        both[1].remove().unwrap();
        assert!(!root.exists());
        assert_eq!(Pins::all(&root).unwrap(), []);
    }
}
