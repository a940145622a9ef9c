//! The scenarios there are, as the tests' own binary tells.

use std::process::Command;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::binaries::{self, Binaries, Build};
use super::image::Copied;
use super::kernel::KernelChoice;
use crate::{cache, dist};

/// What a scenario names among its programs if it needs our own package, and where that lies in the guest then.
const PACKAGE: (&str, &str) = ("ipvsdrain.deb", "/ipvsdrain.deb");

/// A scenario, as far as the host needs to know it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Described {
    pub name: String,
    pub about: String,
    /// Debian programs it needs in the guest.
    pub programs: Vec<String>,
    /// Whether it needs flows to be observed.
    pub observes: bool,
}

/// The scenarios asked for, or all that there are on this kernel.
pub fn names_for(kernel: &KernelChoice, asked: &[String]) -> anyhow::Result<Vec<String>> {
    if !asked.is_empty() {
        return Ok(asked.to_vec());
    }
    let here = all()?
        .into_iter()
        .filter(|scenario| !scenario.observes || kernel.has_module_types());
    Ok(here.map(|scenario| scenario.name).collect())
}

/// Every scenario; builds the tests' binary if it is out of date.
pub fn all() -> anyhow::Result<Vec<Described>> {
    list(&binaries::build(Build::Dev)?)
}

fn list(binaries: &Binaries) -> anyhow::Result<Vec<Described>> {
    let output = Command::new(&binaries.lab)
        .args(["list", "--json"])
        .output()
        .with_context(|| format!("cannot start {}", binaries.lab.display()))?;
    ensure!(
        output.status.success(),
        "the list of scenarios: {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).context("the list of scenarios is not what it should be")
}

/// The programs of Debian that these scenarios need; an unknown name is an error.
pub fn programs_of(binaries: &Binaries, names: &[String]) -> anyhow::Result<Vec<String>> {
    let mut programs = needs_of(binaries, names)?;
    programs.retain(|program| program != PACKAGE.0);
    Ok(programs)
}

/// Our own package, made if one of these scenarios needs it. With the binary that the other scenarios run, for a release
/// build takes minutes: what lies where, and what dpkg and systemd do with it, is the same.
pub fn package_of(binaries: &Binaries, names: &[String]) -> anyhow::Result<Option<Copied>> {
    if !needs_of(binaries, names)?
        .iter()
        .any(|program| program == PACKAGE.0)
    {
        return Ok(None);
    }
    let folder = cache::workspace().join("target/lab/package");
    Ok(Some(Copied {
        from: dist::of(&binaries.ipvsdrain, &folder)?.deb,
        to: PACKAGE.1.to_owned(),
    }))
}

fn needs_of(binaries: &Binaries, names: &[String]) -> anyhow::Result<Vec<String>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let all = list(binaries)?;
    let mut programs = Vec::new();
    for name in names {
        let scenario = all
            .iter()
            .find(|scenario| scenario.name == *name)
            .with_context(|| format!("there is no scenario `{name}`; `cargo xtask lab list` shows them"))?;
        programs.extend(scenario.programs.iter().cloned());
    }
    Ok(programs)
}
