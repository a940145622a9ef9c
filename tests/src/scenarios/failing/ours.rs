//! ipvsdrain with checks: its configuration, and what it may lose by it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::daemon::Daemon;
use crate::dns::ZONE;
use crate::peers::Wells;
use crate::world::World;

/// How a server is checked, and when it goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) remove_after: Duration,
}

/// The supervisor's own: whatever is due is done that much later at most.
const TICK: Duration = Duration::from_millis(500);

impl Pace {
    /// From the death of a server to its weight 0, at most: its next check begins one interval after the last one, with
    /// 10 % of jitter, and ends with its timeout; then one check of a sibling.
    pub(super) fn to_weight_zero(&self) -> Duration {
        self.interval.mul_f64(1.1) + self.timeout + TICK
    }

    /// To its removal: the first failure must have lasted for `remove_after`, and the second check must have failed.
    pub(super) fn to_removal(&self) -> Duration {
        let second = self.interval.mul_f64(1.1) + self.timeout;
        self.to_weight_zero() + self.remove_after.max(second) + TICK
    }
}

/// A daemon that asks each server a DNS question.
pub(super) fn with_dns<'world>(
    world: &'world World,
    folder: &Path,
    port: u16,
    pace: Pace,
) -> Result<Daemon<'world>> {
    let check = format!("dns = {{ name = \"host0.{ZONE}\", record = \"A\" }}");
    start(world, folder, port, pace, &check)
}

/// A daemon to which a server is well while `wells` says so.
pub(super) fn with_wells<'world>(
    world: &'world World,
    folder: &Path,
    wells: &Wells,
    port: u16,
    pace: Pace,
) -> Result<Daemon<'world>> {
    let program = folder.join("is-it-well");
    let well = wells.named("$IPVSDRAIN_SERVER_ADDRESS");
    fs::write(&program, format!("#!/bin/sh\nexec test -e {}\n", well.display()))
        .context("cannot write a check")?;
    fs::set_permissions(&program, Permissions::from_mode(0o755)).context("cannot make a check a program")?;
    let check = format!("exec = {{ run = [\"{}\"] }}", program.display());
    start(world, folder, port, pace, &check)
}

fn start<'world>(
    world: &'world World,
    folder: &Path,
    port: u16,
    pace: Pace,
    check: &str,
) -> Result<Daemon<'world>> {
    let text = format!(
        "[failure]\nremove_after_secs = {}\nconfirmations = 2\n\n\
         [[check]]\nmatch = {{ protocol = \"udp\", port = {port} }}\ninterval_ms = {}\ntimeout_ms = {}\n{check}\n",
        pace.remove_after.as_secs(),
        pace.interval.as_millis(),
        pace.timeout.as_millis(),
    );
    let path: PathBuf = folder.join("config.toml");
    fs::write(&path, text).context("cannot write a configuration")?;
    let path = path.to_str().context("the configuration's path is text")?;
    Daemon::start(world, &["--config", path])
}
