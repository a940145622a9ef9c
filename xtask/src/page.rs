//! `cargo xtask page`: the status page in headless Chromium, judged by the daemon's own tests and by axe-core.
//!
//! Chromium is installed from Debian where it is missing; axe-core, which finds what shuts people out, is fetched into the
//! cache. Without either of them this fails. Pictures of every state are left in `target/screenshots`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::cache;
use crate::lab::host_tools::ensure_present;

/// Programs and the Debian packages that have them.
const TOOLS: [(&str, &str); 2] = [("chromium", "chromium"), ("npm", "npm")];

const AXE: &str = "axe-core@4.14.1";

/// The tests that need a browser; a plain `cargo test` leaves them out.
const TESTS: &str = "web::page::browser_tests";

pub fn run() -> anyhow::Result<()> {
    ensure_present("the test of the status page", &TOOLS)?;
    let axe = axe().context("cannot fetch axe-core")?;
    let status = crate::cargo::command()
        .args([
            // As all tests are built, so that nothing is built twice.
            "test",
            "--workspace",
            "--lib",
            TESTS,
            "--",
            "--ignored",
        ])
        .env("IPVSDRAIN_AXE", axe)
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("the page is not as it should be; what it looks like is in target/screenshots");
    }
    Ok(())
}

/// Its script. Needs the network only the first time.
fn axe() -> anyhow::Result<PathBuf> {
    let folder = cache::folder("axe-core")?.join(AXE);
    let script = folder.join("package/axe.min.js");
    // Held while it is looked for as well: another one may be fetching it.
    let _lock = cache::lock()?;
    if script.exists() {
        return Ok(script);
    }
    eprintln!("page: fetching {AXE}");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut npm = Command::new("npm");
    let packed = said(npm.args(["pack", "--silent", AXE]).current_dir(&folder))?;
    let archive = packed.lines().last().context("npm names no archive")?;
    said(
        Command::new("tar")
            .args(["--extract", "--file", archive])
            .current_dir(&folder),
    )?;
    ensure!(script.exists(), "{AXE} holds no package/axe.min.js");
    Ok(script)
}

/// What a program writes to standard output.
fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
