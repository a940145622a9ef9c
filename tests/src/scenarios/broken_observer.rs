//! `broken-observer`: when flows cannot be observed the daemon says what is missing, and removes nothing, however
//! idle the server looks by the kernel's counters.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use rustix::thread::CapabilitySet;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::doctored::{MODULE_BTF, renamed};
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "broken-observer",
    about: "without evidence nothing is removed, and the daemon names what is missing",
    programs: &[],
    observes: false,
    run,
};

const PORT: u16 = 53;
/// Exit code of a wait that was over while the evidence was unknown.
const UNKNOWN: i32 = 6;

fn run(stage: &mut Stage) -> Result<Value> {
    let folder = TempDir::new().context("cannot make a folder for broken files")?;
    let mut said = Vec::new();
    let mut expect = |what: &str, options: &[&str], missing: &[CapabilitySet], named: &str| {
        stage.progress(json!({"broken": what}));
        said.push(held(options, missing, named).with_context(|| what.to_owned())?);
        anyhow::Ok(())
    };
    let object = write(folder.path(), "programs.o", b"\x7fELF, and then nothing of use")?;
    expect("a broken object", &["--object", &object], &[], &object)?;
    if Path::new(MODULE_BTF).exists() {
        let (btf, member) = renamed(&fs::read(MODULE_BTF)?)?;
        let doctored = write(folder.path(), "btf", &btf)?;
        // A lower rung would do without the probe; here none is allowed.
        let options = ["--module-btf", &doctored, "--lowest-rung", "probes"];
        expect("a renamed member", &options, &[], member)?;
        let missing = [
            CapabilitySet::BPF,
            CapabilitySet::PERFMON,
            CapabilitySet::SYS_ADMIN,
        ];
        expect("no permission", &[], &missing, "CAP_BPF")?;
    } else {
        expect(
            "a kernel without module BTF",
            &["--lowest-rung", "probes"],
            &[],
            MODULE_BTF,
        )?;
    }
    Ok(json!({"said": said}))
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<String> {
    let path = folder.join(name);
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.display().to_string())
}

/// Minutes after the drain's start the server is still there, at weight 0, and the reason is named.
fn held(options: &[&str], missing: &[CapabilitySet], named: &str) -> Result<String> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, PORT, "rr", Forwarding::DirectRoute, addresses)?;
    let place = world.place(service, Server(1), PORT);
    let daemon = Daemon::start_without(&world, options, missing)?;
    let end = daemon
        .begin_drain(place, &["--timeout", "2m"])?
        .finish(Duration::from_mins(3))?;

    let drain = &end.drain;
    ensure!(
        end.code == Some(UNKNOWN),
        "the client ended with {:?}, not {UNKNOWN}: {drain:?}",
        end.code
    );
    ensure!(
        drain.evidence_unknown && drain.live.is_none(),
        "the evidence is said to be known: {drain:?}"
    );
    let why = drain.held.clone().unwrap_or_default();
    ensure!(why.contains(named), "the reason does not name {named}: {why}");
    let row = world
        .director()
        .row(place)?
        .with_context(|| format!("{place} was removed: {why}"))?;
    ensure!(
        row.weight == 0,
        "the weight of {place} is {} and should be 0",
        row.weight
    );
    Ok(why)
}
