//! What lies where in the package, for dpkg and in the archive alike.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::{cargo, licences, run_for};
use crate::cache;

pub const BINARY: &str = "usr/bin/ipvsdrain";
/// dpkg keeps what an administrator changed in it.
pub const CONFIGURATION: &str = "etc/ipvsdrain/config.toml";
const DOCUMENTATION: &str = "usr/share/doc/ipvsdrain";

/// File of the workspace, its path in the package.
const FILES: [(&str, &str); 10] = [
    ("ipvsdrain/src/config/default.toml", CONFIGURATION),
    (
        "packaging/ipvsdrain.service",
        "usr/lib/systemd/system/ipvsdrain.service",
    ),
    ("packaging/sysusers.conf", "usr/lib/sysusers.d/ipvsdrain.conf"),
    (
        "packaging/fewer-rights.conf",
        "usr/share/doc/ipvsdrain/examples/fewer-rights.conf",
    ),
    ("packaging/debian/copyright", "usr/share/doc/ipvsdrain/copyright"),
    ("README.md", "usr/share/doc/ipvsdrain/README.md"),
    ("ARCHITECTURE.md", "usr/share/doc/ipvsdrain/ARCHITECTURE.md"),
    ("CHANGELOG.md", "usr/share/doc/ipvsdrain/CHANGELOG.md"),
    ("LICENSE-APACHE", "usr/share/doc/ipvsdrain/LICENSE-APACHE"),
    ("LICENSE-MIT", "usr/share/doc/ipvsdrain/LICENSE-MIT"),
];

/// Copies what lies in the workspace, and the binary, to where they belong below `root`.
pub fn lay_out(root: &Path, binary: &Path) -> anyhow::Result<()> {
    let workspace = cache::workspace();
    for (from, to) in FILES {
        copy(&workspace.join(from), &root.join(to))?;
    }
    for from in pages(&workspace.join("docs"))? {
        let name = from.file_name().context("a page without a name")?;
        copy(&from, &root.join(DOCUMENTATION).join("docs").join(name))?;
    }
    copy_tree(
        &workspace.join("dashboards"),
        &root.join("usr/share/ipvsdrain/dashboards"),
    )?;
    let program = root.join(BINARY);
    make_parent(&program)?;
    run_for(
        Command::new("strip")
            .arg("--strip-unneeded")
            .arg("-o")
            .args([program.as_path(), binary]),
    )
    .context("strip is in the package binutils")?;
    Ok(())
}

/// Writes what is made from other things: man pages, completions, and the licences of others.
pub fn generate(root: &Path) -> anyhow::Result<()> {
    run_for(
        cargo()
            .args(["run", "--quiet", "--package", "ipvsdrain-packaging", "--"])
            .arg(root),
    )
    .context("the man pages and completions cannot be made")?;
    let manual = root.join("usr/share/man");
    for page in files(&manual)? {
        run_for(Command::new("gzip").arg("-9n").arg(manual.join(page)))?;
    }
    write(
        &root.join(DOCUMENTATION).join("third-party-licences.txt"),
        &licences::text()?,
    )
}

/// The pages of this folder itself.
fn pages(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = entries(folder)?;
    found.retain(|path| path.extension().is_some_and(|end| end == "md"));
    Ok(found)
}

/// Every file below `root`, as a path in it, sorted.
pub fn files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for path in entries(&folder)? {
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(
                    path.strip_prefix(root)
                        .context("a file outside of its root")?
                        .to_owned(),
                );
            }
        }
    }
    found.sort();
    Ok(found)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(|| format!("cannot read {}", folder.display()))?;
    paths.sort();
    Ok(paths)
}

fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    for path in files(from)? {
        copy(&from.join(&path), &to.join(&path))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    make_parent(to)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    make_parent(path)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn make_parent(path: &Path) -> anyhow::Result<()> {
    let parent = path.parent().context("a file without a folder")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))
}

/// The modes do not depend on who builds: everybody reads, and executes what is in `usr/bin`.
pub fn set_modes(path: &Path) -> anyhow::Result<()> {
    let mode = if path.is_dir() || path.ends_with(BINARY) {
        0o755
    } else {
        0o644
    };
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))?;
    if path.is_dir() {
        for entry in entries(path)? {
            set_modes(&entry)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_holds_what_a_user_looks_for_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        lay_out(root.path(), &std::env::current_exe().unwrap()).unwrap();
        set_modes(root.path()).unwrap();
        let all: Vec<String> = files(root.path())
            .unwrap()
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        for path in [
            BINARY,
            CONFIGURATION,
            "usr/lib/systemd/system/ipvsdrain.service",
            "usr/lib/sysusers.d/ipvsdrain.conf",
            "usr/share/doc/ipvsdrain/copyright",
            "usr/share/doc/ipvsdrain/docs/alerts.md",
            "usr/share/doc/ipvsdrain/docs/decision.md",
            "usr/share/doc/ipvsdrain/docs/packages.md",
            "usr/share/ipvsdrain/dashboards/README.md",
            "usr/share/ipvsdrain/dashboards/ipvsdrain.json",
            "usr/share/ipvsdrain/dashboards/rules/alerts.yml",
            "usr/share/ipvsdrain/dashboards/rules/recording.yml",
        ] {
            assert!(all.contains(&path.to_owned()), "{path} is missing: {all:?}");
        }
        let places = ["etc/ipvsdrain/", "usr/bin/", "usr/lib/sys", "usr/share/"];
        for path in all {
            assert!(places.iter().any(|place| path.starts_with(place)), "{path}");
            let mode = fs::metadata(root.path().join(&path))
                .unwrap()
                .permissions()
                .mode()
                & 0o777;
            assert_eq!(mode, if path == BINARY { 0o755 } else { 0o644 }, "{path}");
        }
    }
}
