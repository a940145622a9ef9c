//! What systemd brings along besides its programs: the helpers and units it starts.
//!
//! Owns which of those a guest gets. Left out is what only looks after a machine that it boots from a disk.

use std::collections::BTreeMap;
use std::path::Path;

use super::programs::{ProgramFile, collect};

/// There once systemd is asked for.
const MANAGER: &str = "usr/bin/systemd";
const FOLDER: &str = "lib/systemd";
/// Units that every start wants. Of these the log alone is wanted here.
const WANTED: &str = "usr/lib/systemd/system/sysinit.target.wants/";
const LOG: &str = "systemd-journald.service";
/// Programs that make units of disks, terminals and the kernel's command line.
const GENERATORS: &str = "usr/lib/systemd/system-generators/";

pub fn is_wanted(files: &BTreeMap<String, ProgramFile>) -> bool {
    files.contains_key(MANAGER)
}

/// The helpers and units of this unpacked package, by path in the guest.
pub fn runtime(package: &Path) -> anyhow::Result<BTreeMap<String, ProgramFile>> {
    let mut files = BTreeMap::new();
    collect(&package.join(FOLDER), &format!("usr/{FOLDER}"), &mut files)?;
    files.retain(|path, _| {
        let is_needless_want = path.starts_with(WANTED) && !path.ends_with(LOG);
        !is_needless_want && !path.starts_with(GENERATORS)
    });
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn units_and_helpers_come_along_and_what_belongs_to_a_machine_with_disks_does_not() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        for path in [
            "systemd-journald",
            "system/basic.target",
            "system/sysinit.target.wants/systemd-journald.service",
            "system/sysinit.target.wants/systemd-sysctl.service",
            "system-generators/systemd-fstab-generator",
        ] {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(
            runtime(root.path()).unwrap().keys().collect::<Vec<_>>(),
            [
                "usr/lib/systemd/system/basic.target",
                "usr/lib/systemd/system/sysinit.target.wants/systemd-journald.service",
                "usr/lib/systemd/systemd-journald",
            ]
        );
    }
}
