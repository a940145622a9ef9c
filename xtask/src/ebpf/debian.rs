//! Single packages from Debian suites the machine does not use, through a private apt state.
//!
//! The mirror and the keyring are the machine's own; its sources and its package database stay untouched.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Whether this machine has apt and dpkg at all.
pub(super) fn at_hand() -> bool {
    ["apt-get", "dpkg"]
        .iter()
        .all(|tool| Command::new(tool).arg("--version").output().is_ok())
}

/// Downloads the newest `package` of `suite` whose version starts with `version`; returns the .deb's path.
/// `state` is the folder of the private apt state.
pub(super) fn download(state: &Path, suite: &str, package: &str, version: &str) -> Result<PathBuf> {
    let apt = PrivateApt::new(state, suite)?;
    apt.run("apt-get", ["update", "-qq"])?;
    let known = apt.run("apt-cache", ["madison", package])?;
    let exact = known
        .lines()
        .filter_map(|line| line.split('|').nth(1).map(str::trim))
        .find(|found| found.starts_with(version))
        .with_context(|| format!("{suite} has no {package} {version}…, only:\n{known}"))?;
    apt.run("apt-get", ["download", "-qq", &format!("{package}={exact}")])?;
    fs::read_dir(state)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| {
            path.extension() == Some(OsStr::new("deb"))
                && path
                    .file_name()
                    .and_then(OsStr::to_str)
                    .is_some_and(|name| name.starts_with(package))
        })
        .with_context(|| {
            format!(
                "apt-get download {package} left no package in {}",
                state.display()
            )
        })
}

/// Unpacks a package's files below `folder`.
pub(super) fn unpack(package: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let status = Command::new("dpkg")
        .arg("-x")
        .arg(package)
        .arg(folder)
        .status()
        .context("cannot run dpkg")?;
    if !status.success() {
        bail!("dpkg -x {} failed ({status})", package.display());
    }
    Ok(())
}

struct PrivateApt {
    folder: PathBuf,
}

impl PrivateApt {
    fn new(folder: &Path, suite: &str) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
        }
        let source = format!(
            "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYRING}\n",
            mirror()?
        );
        fs::write(folder.join("debian.sources"), source)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn run<const N: usize>(&self, program: &str, args: [&str; N]) -> Result<String> {
        let setting = |name: &str, value: &str| format!("-o{name}={}", self.folder.join(value).display());
        let output = Command::new(program)
            .arg(setting("Dir::State::Lists", "lists"))
            .arg(setting("Dir::Cache", "cache"))
            .arg(setting("Dir::Etc::SourceList", "debian.sources"))
            .arg("-oDir::Etc::SourceParts=/dev/null")
            // apt would otherwise drop to a user that may not enter this folder.
            .arg("-oAPT::Sandbox::User=root")
            .args(args)
            .current_dir(&self.folder)
            .output()
            .with_context(|| format!("cannot run {program}"))?;
        if !output.status.success() {
            bail!(
                "{program} {} failed: {}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The address of the Debian archive this machine already uses.
fn mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(LABEL) $(REPO_URI)",
            "Created-By: Packages",
        ])
        .output()
        .context("cannot run apt-get indextargets")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("Debian ").map(str::to_owned))
        .context("this machine's apt names no Debian mirror")
}
