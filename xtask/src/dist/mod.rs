//! `cargo xtask dist`: the Debian package and the archive of a release build. The lab has them made of another build.
//!
//! Owns the order: [`contents`] lays out a tree, with the third parties' [`licences`] in it; [`deb`] packs it for dpkg, with
//! what [`needs`] finds that the binary needs; the archive is the same tree. Same source, same tools, same bytes: every time
//! in a package is that of the commit, and no path of this machine is in the binary.

mod contents;
mod deb;
mod licences;
mod needs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::UNIX_EPOCH;

use anyhow::{Context, ensure};

use crate::cache;
use crate::lab::executable;

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is handed out.
#[derive(Debug)]
pub struct Made {
    pub deb: PathBuf,
    pub archive: PathBuf,
}

pub fn run() -> anyhow::Result<ExitCode> {
    let made = of(&release_binary()?, &cache::workspace().join("target/dist"))?;
    println!("{}\n{}", made.deb.display(), made.archive.display());
    Ok(ExitCode::SUCCESS)
}

/// Makes both of this binary, in this folder.
pub fn of(binary: &Path, folder: &Path) -> anyhow::Result<Made> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let moment = moment()?;
    let staging = tempfile::tempdir_in(folder).context("cannot make a folder to lay the package out in")?;

    let name = format!("ipvsdrain-{VERSION}-{}", std::env::consts::ARCH);
    let tree = staging.path().join(&name);
    contents::lay_out(&tree, binary)?;
    contents::generate(&tree)?;
    contents::set_modes(&tree)?;
    let archive = folder.join(format!("{name}.tar.gz"));
    archive_of(&tree, &archive, &moment)?;
    let deb = deb::pack(&tree, folder, &moment)?;
    Ok(Made { deb, archive })
}

/// The release build. The paths of this machine are mapped to names that are the same everywhere.
fn release_binary() -> anyhow::Result<PathBuf> {
    let workspace = cache::workspace();
    let cargo_home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => std::env::home_dir()
            .context("neither CARGO_HOME nor HOME is set")?
            .join(".cargo"),
    };
    let flags = format!(
        "--remap-path-prefix={}=/cargo --remap-path-prefix={}=/ipvsdrain",
        cargo_home.display(),
        workspace.display()
    );
    let output = cargo()
        .args(["build", "--release", "--package", "ipvsdrain"])
        .arg("--message-format=json-render-diagnostics")
        .env("RUSTFLAGS", flags)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "cargo could not build the release binary"
    );
    executable(&String::from_utf8_lossy(&output.stdout), "ipvsdrain")
}

/// Cargo, in this workspace.
fn cargo() -> Command {
    let mut command = crate::cargo::command();
    command.current_dir(cache::workspace());
    command
}

/// The time that everything in the package gets: `SOURCE_DATE_EPOCH`, else that of the last commit. An unpacked archive of
/// the source knows no commits: its files have that time.
fn moment() -> anyhow::Result<String> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(given);
    }
    let shown = run_for(
        Command::new("git")
            .args(["log", "-1", "--format=%ct"])
            .current_dir(cache::workspace()),
    );
    if let Ok(shown) = shown {
        return Ok(shown.trim().to_owned());
    }
    let lock = cache::workspace().join("Cargo.lock");
    let written = fs::metadata(&lock).and_then(|data| data.modified());
    let written = written.with_context(|| format!("cannot read the time of {}", lock.display()))?;
    let since = written
        .duration_since(UNIX_EPOCH)
        .with_context(|| format!("{} is from before 1970: set SOURCE_DATE_EPOCH", lock.display()))?;
    Ok(since.as_secs().to_string())
}

fn archive_of(tree: &Path, archive: &Path, moment: &str) -> anyhow::Result<()> {
    let parent = tree.parent().context("the tree lies in no folder")?;
    let name = tree.file_name().context("the tree has no name")?;
    let mut command = Command::new("tar");
    command
        .args(["--create", "--sort=name", "--format=gnu", "--numeric-owner"])
        .args(["--owner=0", "--group=0", "--use-compress-program=gzip -9n"])
        .arg(format!("--mtime=@{moment}"))
        .arg("--file")
        .arg(archive)
        .arg("--directory")
        .arg(parent)
        .arg(name);
    run_for(&mut command).map(drop)
}

/// Runs a tool to its end and returns what it writes.
fn run_for(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    ensure!(
        output.status.success(),
        "{name}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
