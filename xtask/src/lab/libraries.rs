//! The shared libraries that a program needs, found in unpacked Debian packages.
//!
//! In the guest they all lie flat in one folder that the loader searches by default, so a program's own
//! search path never matters.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use goblin::elf::Elf;

/// Where libraries go in the guest.
pub const GUEST_FOLDER: &str = "usr/lib/x86_64-linux-gnu";
/// The loader, under the name that every x86-64 program asks for.
pub const LOADER: &str = "ld-linux-x86-64.so.2";

/// Every shared library in some unpacked packages, by its file name.
#[derive(Debug)]
pub struct Libraries {
    by_name: BTreeMap<String, PathBuf>,
}

impl Libraries {
    /// Looks through the packages' library folders. Of two with one name, the one nearer the top counts.
    pub fn of(packages: &[PathBuf]) -> Self {
        let mut found = Vec::new();
        for package in packages {
            for folder in ["lib64", "lib", "usr/lib64", "usr/lib"] {
                collect(&package.join(folder), 0, &mut found);
            }
        }
        found.sort();
        let mut by_name = BTreeMap::new();
        for (_depth, name, path) in found {
            by_name.entry(name).or_insert(path);
        }
        Self { by_name }
    }

    pub fn path(&self, name: &str) -> anyhow::Result<&Path> {
        self.by_name
            .get(name)
            .map(PathBuf::as_path)
            .with_context(|| format!("no unpacked package has the library {name}"))
    }

    /// The folders that hold libraries, for running a program of these packages on this machine.
    pub fn folders(&self) -> BTreeSet<&Path> {
        self.by_name.values().filter_map(|path| path.parent()).collect()
    }

    /// What the ELF file needs, directly or through what it needs; sorted, each once.
    pub fn needed_by(&self, content: &[u8]) -> anyhow::Result<BTreeSet<String>> {
        let mut all = BTreeSet::new();
        let mut open = needed(content)?;
        while let Some(name) = open.pop() {
            if all.contains(&name) {
                continue;
            }
            let path = self.path(&name)?;
            let library = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            open.extend(needed(&library).with_context(|| format!("in {}", path.display()))?);
            all.insert(name);
        }
        Ok(all)
    }
}

/// Whether this is an ELF file, by its first bytes.
pub fn is_elf(content: &[u8]) -> bool {
    content.starts_with(b"\x7fELF")
}

fn needed(content: &[u8]) -> anyhow::Result<Vec<String>> {
    let elf = Elf::parse(content).context("not an ELF file that can be read")?;
    Ok(elf.libraries.iter().map(|name| (*name).to_owned()).collect())
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<(usize, String, PathBuf)>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        // Follows links; one that leads out of its package leads nowhere here, and is passed over.
        let Ok(data) = fs::metadata(&path) else {
            continue;
        };
        let is_link = path.is_symlink();
        if data.is_dir() && !is_link && depth < 4 {
            collect(&path, depth + 1, found);
        } else if data.is_file() && name.contains(".so") {
            found.push((depth, name, path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_program_needs_libc_and_the_loader_is_found_through_it() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(needed(&own).unwrap().contains(&"libc.so.6".to_owned()));
    }

    #[test]
    fn the_nearer_library_counts_and_a_missing_one_is_named() {
        let root = tempfile::tempdir().unwrap();
        for path in ["usr/lib/deep/private/libx.so.1", "usr/lib/libx.so.1"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let libraries = Libraries::of(&[root.path().to_owned()]);
        assert_eq!(
            libraries.path("libx.so.1").unwrap(),
            root.path().join("usr/lib/libx.so.1")
        );
        assert!(
            libraries
                .path("liby.so.2")
                .unwrap_err()
                .to_string()
                .contains("liby.so.2")
        );
    }
}
