//! Programs of Debian packages, by name: `nsd` is every program of that package, `iproute2/tc` is one.
//!
//! Nothing is installed on this machine, so no daemon starts here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::libraries::{LOADER, Libraries};
use super::{perl, systemd};
use crate::debian::Suite;

/// What every guest has, besides what its scenarios ask for.
const ALWAYS: [&str; 7] = [
    "kmod",
    "iproute2/ip",
    "iproute2/tc",
    "iproute2/ss",
    "ipvsadm/ipvsadm",
    "dash/dash",
    "busybox/busybox",
];
/// What this machine runs out of the same packages while it prepares a guest.
const PREPARING: [&str; 2] = ["xz-utils/xz", "zstd/zstd"];

/// A file in the guest, of a program or of what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramFile {
    Copy(PathBuf),
    Link(String),
}

/// Programs ready to be put into a guest.
#[derive(Debug)]
pub struct Programs {
    /// By path in the guest, such as `usr/sbin/nsd`.
    pub files: BTreeMap<String, ProgramFile>,
    pub libraries: Libraries,
    packages: Vec<PathBuf>,
}

/// Finds the named programs and those every guest has, fetching what is not in the cache.
pub fn fetch(wanted: &[String]) -> anyhow::Result<Programs> {
    let names = || ALWAYS.into_iter().chain(wanted.iter().map(String::as_str));
    let suite = Suite::of_this_machine()?;
    let mut package_names: Vec<_> = names().chain(PREPARING).map(|name| split(name).0).collect();
    package_names.sort_unstable();
    package_names.dedup();
    let packages = suite.unpacked_with_dependencies(&package_names)?;
    let mut files = BTreeMap::new();
    for name in names() {
        let (package, program) = split(name);
        let own = package_folder(&packages, package)?;
        let all = programs_in(own)?;
        let has = all.keys().cloned().collect::<Vec<_>>().join(", ");
        let asked = |path: &str| program.is_none_or(|program| path.rsplit('/').next() == Some(program));
        let chosen: Vec<_> = all.into_iter().filter(|(path, _)| asked(path)).collect();
        ensure!(
            !chosen.is_empty(),
            "the package {package} has no program for `{name}`; it has: {has}"
        );
        files.extend(chosen);
    }
    if has_perl(&files)? {
        files.extend(perl::runtime(&packages)?);
    }
    if systemd::is_wanted(&files) {
        files.extend(systemd::runtime(package_folder(&packages, "systemd")?)?);
    }
    Ok(Programs {
        files,
        libraries: Libraries::of(&packages),
        packages,
    })
}

impl Programs {
    /// A command that runs a program of these packages on this machine, by its file and its name.
    pub fn command(&self, package: &str, file: &str, name: &str) -> anyhow::Result<Command> {
        let folder = package_folder(&self.packages, package)?;
        let path = ["bin", "usr/bin", "sbin", "usr/sbin"]
            .map(|parent| folder.join(parent).join(file))
            .into_iter()
            .find(|path| path.exists())
            .with_context(|| format!("the package {package} has no program {file}"))?;
        let search = self
            .libraries
            .folders()
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>();
        let mut command = Command::new(self.libraries.path(LOADER)?);
        command
            .args(["--argv0", name, "--library-path", &search.join(":")])
            .arg(path);
        Ok(command)
    }

    /// What busybox can stand in for.
    pub fn busybox_applets(&self) -> anyhow::Result<Vec<String>> {
        let output = self
            .command("busybox", "busybox", "busybox")?
            .arg("--list")
            .output()
            .context("cannot start busybox")?;
        ensure!(output.status.success(), "busybox --list: {}", output.status);
        Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect())
    }
}

fn has_perl(files: &BTreeMap<String, ProgramFile>) -> anyhow::Result<bool> {
    for file in files.values() {
        if let ProgramFile::Copy(path) = file
            && perl::is_perl(&fs::read(path).with_context(|| format!("cannot read {}", path.display()))?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once('/')
        .map_or((name, None), |(package, program)| (package, Some(program)))
}

fn package_folder<'a>(packages: &'a [PathBuf], package: &str) -> anyhow::Result<&'a Path> {
    let prefix = format!("{package}_");
    packages
        .iter()
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        })
        .map(PathBuf::as_path)
        .with_context(|| format!("the package {package} was not unpacked"))
}

/// The programs of one unpacked package, by their paths in a guest where `/bin` is `/usr/bin`.
fn programs_in(package: &Path) -> anyhow::Result<BTreeMap<String, ProgramFile>> {
    let mut found = BTreeMap::new();
    for (folder, in_guest) in [
        ("bin", "usr/bin"),
        ("usr/bin", "usr/bin"),
        ("sbin", "usr/sbin"),
        ("usr/sbin", "usr/sbin"),
    ] {
        let Ok(entries) = fs::read_dir(package.join(folder)) else {
            continue;
        };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let file = if path.is_symlink() {
                let target =
                    fs::read_link(&path).with_context(|| format!("cannot read {}", path.display()))?;
                ProgramFile::Link(target.display().to_string())
            } else {
                ProgramFile::Copy(path)
            };
            found.insert(format!("{in_guest}/{name}"), file);
        }
    }
    Ok(found)
}

/// Every file below `from`, as it lies below `to` in the guest. Links stay links.
pub fn collect(from: &Path, to: &str, files: &mut BTreeMap<String, ProgramFile>) -> anyhow::Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let to = format!("{to}/{name}");
        if path.is_symlink() {
            let target = fs::read_link(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.insert(to, ProgramFile::Link(target.display().to_string()));
        } else if path.is_dir() {
            collect(&path, &to, files)?;
        } else {
            files.insert(to, ProgramFile::Copy(path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_with_both_bin_folders_gives_all_its_programs() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["sbin", "usr/bin"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("usr/bin/kmod"), "").unwrap();
        std::os::unix::fs::symlink("/bin/kmod", root.path().join("sbin/modprobe")).unwrap();
        let programs = programs_in(root.path()).unwrap();
        assert_eq!(
            programs["usr/sbin/modprobe"],
            ProgramFile::Link("/bin/kmod".into())
        );
        assert_eq!(
            programs["usr/bin/kmod"],
            ProgramFile::Copy(root.path().join("usr/bin/kmod"))
        );
    }

    #[test]
    fn a_name_is_a_package_or_one_program_of_it() {
        assert_eq!(split("nsd"), ("nsd", None));
        assert_eq!(split("iproute2/tc"), ("iproute2", Some("tc")));
    }
}
