//! Our own binaries for the guest: built by cargo, without debug information.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::{cache, cargo};

/// What goes into every guest.
#[derive(Debug)]
pub struct Binaries {
    /// The guest's first process, and the list of scenarios.
    pub lab: PathBuf,
    /// The daemon and its command line.
    pub ipvsdrain: PathBuf,
}

/// How well cargo optimizes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Build {
    /// Quick to build.
    #[default]
    Dev,
    /// As they are shipped: for whoever measures what they cost.
    Release,
}

/// Builds both (nothing is done if they are up to date).
pub fn build(how: Build) -> anyhow::Result<Binaries> {
    let output = cargo::command()
        .args([
            "build",
            "--bins",
            "--package",
            "ipvsdrain",
            "--package",
            "ipvsdrain-tests",
        ])
        .args((how == Build::Release).then_some("--release"))
        .arg("--message-format=json-render-diagnostics")
        .current_dir(cache::workspace())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "cargo could not build the guest's binaries"
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(Binaries {
        lab: executable(&messages, "ipvsdrain-lab")?,
        ipvsdrain: executable(&messages, "ipvsdrain")?,
    })
}

/// Where cargo says that it put the executable of this target.
pub fn executable(messages: &str, target: &str) -> anyhow::Result<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == target)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo built no executable `{target}`"))
}

/// The binary without its debug information, which would only fill the guest's memory.
pub fn stripped(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    let status = Command::new("strip")
        .arg("--strip-debug")
        .arg("-o")
        .args([file.path(), path])
        .status()
        .context("cannot start strip (package binutils)")?;
    ensure!(status.success(), "strip {}: {status}", path.display());
    fs::read(file.path()).with_context(|| format!("cannot read {} stripped", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"ipvsdrain\"},\"executable\":null}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"ipvsdrain\"},\"executable\":\"/t/ipvsdrain\"}\n";
        assert_eq!(
            executable(messages, "ipvsdrain").unwrap(),
            Path::new("/t/ipvsdrain")
        );
        assert!(executable(messages, "other").is_err());
    }
}
