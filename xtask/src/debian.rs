//! Debian packages of any suite, downloaded and unpacked without installing anything on this machine.
//!
//! Each suite has an apt state of its own in the cache: its own sources, lists and an empty package
//! database. The machine's own sources are only asked for the mirror's address. Signatures are
//! checked against the installed archive keyring, as apt always does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;

use anyhow::{Context, bail, ensure};

use crate::cache;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One suite of Debian, such as `bookworm`.
#[derive(Debug)]
pub struct Suite {
    name: String,
    folder: PathBuf,
}

impl Suite {
    /// The suite of this name. Touches no network yet.
    pub fn open(name: &str) -> anyhow::Result<Self> {
        let folder = cache::folder(&format!("debian/{name}"))?;
        for part in ["lists/partial", "archives/partial", "none/partial", "packages"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        fs::write(folder.join("status"), "").context("cannot write an empty package database")?;
        Ok(Self {
            name: name.to_owned(),
            folder,
        })
    }

    /// The suite this machine runs; its programs fit the libraries our own binaries are linked to.
    pub fn of_this_machine() -> anyhow::Result<Self> {
        let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
        let field = |key: &str| {
            release.lines().find_map(|line| {
                line.strip_prefix(key)?
                    .strip_prefix('=')
                    .map(|value| value.trim_matches('"'))
            })
        };
        match (field("ID"), field("VERSION_CODENAME")) {
            (Some("debian"), Some(codename)) => Self::open(codename),
            (id, _) => bail!(
                "the lab takes its guest's programs from Debian and links them with this machine's libraries, but \
                 this machine runs `{}`: run it in a Debian container",
                id.unwrap_or("an unknown system")
            ),
        }
    }

    /// Folders that hold the unpacked files of these packages and of everything they depend on.
    /// Needs the network only for what is not in the cache yet.
    pub fn unpacked_with_dependencies(&self, packages: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
        let _lock = cache::lock()?;
        let mut folders = Vec::new();
        for package in packages {
            let record = self.folder.join(format!("packages/{package}.closure"));
            if !record.exists() {
                let archives = self.download(package)?;
                let mut names = String::new();
                for archive in archives {
                    let name = archive.file_stem().context("an archive without a name")?;
                    let target = self.folder.join("packages").join(name);
                    if !target.exists() {
                        unpack(slice::from_ref(&archive), &target)?;
                    }
                    names.push_str(&name.to_string_lossy());
                    names.push('\n');
                }
                fs::write(&record, names).with_context(|| format!("cannot write {}", record.display()))?;
            }
            let names =
                fs::read_to_string(&record).with_context(|| format!("cannot read {}", record.display()))?;
            folders.extend(names.lines().map(|name| self.folder.join("packages").join(name)));
        }
        folders.sort();
        folders.dedup();
        Ok(folders)
    }

    /// Unpacks just these packages, without their dependencies, into one folder.
    pub fn unpack_together(&self, packages: &[&str], target: &Path) -> anyhow::Result<()> {
        let into = self.folder.join("archives");
        self.with_fresh_lists(|| {
            self.apt("apt-get", &[&["download"], packages].concat(), &into)
                .map(|_| ())
        })?;
        let archives = packages.iter().map(|package| newest_archive(&into, package));
        unpack(&archives.collect::<anyhow::Result<Vec<_>>>()?, target)
    }

    /// Unpacks just this package, in the newest version that starts with `version`.
    pub fn unpack_version(&self, package: &str, version: &str, target: &Path) -> anyhow::Result<()> {
        let into = self.folder.join("archives");
        self.with_fresh_lists(|| {
            let known = self.apt("apt-cache", &["madison", package], &into)?;
            let exact = known
                .lines()
                .filter_map(|line| line.split('|').nth(1).map(str::trim))
                .find(|found| found.starts_with(version))
                .with_context(|| format!("{} has no {package} {version}, only:\n{known}", self.name))?;
            self.apt("apt-get", &["download", &format!("{package}={exact}")], &into)
                .map(drop)
        })?;
        unpack(&[newest_archive(&into, package)?], target)
    }

    /// The packages that `package` depends on directly, alternatives left out.
    pub fn dependencies(&self, package: &str) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        self.with_fresh_lists(|| {
            let text = self.apt("apt-cache", &["depends", package], &self.folder)?;
            found = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("Depends: "))
                .map(str::to_owned)
                .collect();
            Ok(())
        })?;
        Ok(found)
    }

    /// Downloads a package and its dependencies; returns the paths of their archives.
    fn download(&self, package: &str) -> anyhow::Result<Vec<PathBuf>> {
        let mut uris = String::new();
        self.with_fresh_lists(|| {
            // apt leaves out of this list what lies in its archive folder, so it is shown an empty one.
            let none = format!("Dir::Cache::Archives={}", self.folder.join("none").display());
            uris = self.apt(
                "apt-get",
                &["-o", &none, "--print-uris", "--yes", "install", package],
                &self.folder,
            )?;
            self.apt(
                "apt-get",
                &["--download-only", "--yes", "install", package],
                &self.folder,
            )?;
            Ok(())
        })?;
        let archives = uris
            .lines()
            .filter(|line| line.starts_with('\''))
            .filter_map(|line| line.split_whitespace().nth(1))
            .map(|name| self.folder.join("archives").join(name))
            .collect::<Vec<_>>();
        ensure!(
            !archives.is_empty(),
            "apt names no archive for `{package}` of {}",
            self.name
        );
        Ok(archives)
    }

    /// Does `task`, fetching the package lists first if there are none, or again if it fails: a list
    /// grown old names archives that the mirror no longer has.
    fn with_fresh_lists(&self, mut task: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let updated = self.folder.join("updated");
        if updated.exists() && task().is_ok() {
            return Ok(());
        }
        self.update()?;
        fs::write(&updated, "").context("cannot note that the lists are there")?;
        task()
    }

    fn update(&self) -> anyhow::Result<()> {
        ensure!(
            Path::new(KEYRING).exists(),
            "{KEYRING} is missing, so Debian's packages cannot be verified: install debian-archive-keyring"
        );
        let sources = format!("deb [signed-by={KEYRING}] {} {} main\n", mirror()?, self.name);
        fs::write(self.folder.join("sources.list"), sources).context("cannot write the sources list")?;
        eprintln!("debian: fetching the package lists of {}", self.name);
        self.apt("apt-get", &["update"], &self.folder).map(|_| ())
    }

    /// Runs an apt tool against this suite's own state; returns what it writes.
    fn apt(&self, tool: &str, arguments: &[&str], folder: &Path) -> anyhow::Result<String> {
        let at = |part: &str| self.folder.join(part).display().to_string();
        let settings = [
            format!("Dir::State={}", at("")),
            format!("Dir::State::Lists={}", at("lists")),
            format!("Dir::State::status={}", at("status")),
            format!("Dir::Cache={}", at("")),
            format!("Dir::Cache::Archives={}", at("archives")),
            format!("Dir::Etc::SourceList={}", at("sources.list")),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "APT::Install-Recommends=false".to_owned(),
            "Debug::NoLocking=true".to_owned(),
            // The cache need not be readable to apt's own user.
            "APT::Sandbox::User=root".to_owned(),
        ];
        let output = Command::new(tool)
            .args(settings.iter().flat_map(|setting| ["-o", setting]))
            .args(arguments)
            .current_dir(folder)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .with_context(|| format!("cannot start {tool}: apt and dpkg are needed, as on Debian"))?;
        ensure!(
            output.status.success(),
            "{tool} {} for {}: {}",
            arguments.join(" "),
            self.name,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Unpacks archives into one folder.
fn unpack(archives: &[PathBuf], target: &Path) -> anyhow::Result<()> {
    // Unpacked aside and renamed, so that a folder of the right name is always whole.
    let mut aside = target.as_os_str().to_owned();
    aside.push(".part");
    let aside = PathBuf::from(aside);
    if aside.exists() {
        fs::remove_dir_all(&aside).with_context(|| format!("cannot remove {}", aside.display()))?;
    }
    for archive in archives {
        let status = Command::new("dpkg")
            .arg("-x")
            .args([archive, &aside])
            .status()
            .context("cannot start dpkg: apt and dpkg are needed, as on Debian")?;
        ensure!(status.success(), "dpkg -x {}: {status}", archive.display());
    }
    fs::rename(&aside, target).with_context(|| format!("cannot rename {}", aside.display()))
}

/// The archive of `package` in `folder` that was written last.
fn newest_archive(folder: &Path, package: &str) -> anyhow::Result<PathBuf> {
    let prefix = format!("{package}_");
    fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .max_by_key(|entry| entry.metadata().and_then(|data| data.modified()).ok())
        .map(|entry| entry.path())
        .with_context(|| format!("apt downloaded no archive of `{package}`"))
}

/// The Debian mirror this machine's own sources name. Its package lists need not have been fetched yet.
fn mirror() -> anyhow::Result<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--no-release-info", "--format", "$(SITE)"])
        .output()
        .context("cannot start apt-get: apt and dpkg are needed, as on Debian")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.trim_end_matches('/').to_owned())
        .find(|site| site.ends_with("/debian"))
        .context("the sources of this machine's apt name no Debian mirror (an address that ends in /debian)")
}
