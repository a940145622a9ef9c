//! `doctor`: what `ipvsdrain doctor` finds on a healthy guest and on one with a thing broken, and that `--fix` repairs
//! what it says and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use nix::mount::umount;
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock;
use crate::daemon::Daemon;
use crate::process;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, Machine, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "doctor",
    about: "a fit host passes; a missing module, mount, folder, right or counter is named, and --fix mends what it says",
    programs: &[],
    observes: true,
    run,
};

const BPF: &str = "/sys/fs/bpf";
const MODULE: &str = "/sys/module/ip_vs";
/// Services of a namespace that is being taken apart still hold the module.
const LEFTOVERS_GO: Duration = Duration::from_mins(1);
const ESTIMATION: &str = "net.ipv4.vs.run_estimation";

fn run(stage: &mut Stage) -> Result<Value> {
    let folder = TempDir::new().context("cannot make a folder for the doctor")?;
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    world
        .director()
        .balance(Protocol::Udp, 53, "rr", Forwarding::DirectRoute, addresses)?;
    let daemon = Daemon::start(&world, &[])?;
    daemon.publish()?;
    let director = world.director().machine();
    let journal = folder.path().join("deep/state");
    let journal = journal.to_str().context("a path of this lab is text")?;

    // The folder alone is missing, and --fix makes it.
    let found = look(director, journal, &[], &[])?;
    found.is("state folder", "fail", 1)?;
    let found = look(director, journal, &["--fix"], &[])?;
    found.repaired(&["mode 750"])?;
    found.healthy()?;
    stage.progress(json!({"step": "healthy", "found": found.report}));
    let found = look(director, journal, &["--fix"], &[])?;
    found.repaired(&[])?;

    umount(BPF).context("cannot unmount the bpf file system")?;
    let found = look(director, journal, &[], &[])?;
    found.is("bpf file system", "warn", 0)?;
    let found = look(director, journal, &["--fix"], &[])?;
    found.repaired(&["mounted a bpf file system"])?;
    found.healthy()?;

    director.set_sysctl(ESTIMATION, "0")?;
    let found = look(director, journal, &["--fix"], &[])?;
    found.is(ESTIMATION, "fail", 1)?;
    found.repaired(&[])?;
    ensure!(director.sysctl(ESTIMATION)? == "0", "--fix set a sysctl");
    director.set_sysctl(ESTIMATION, "1")?;

    let missing = [
        CapabilitySet::NET_ADMIN,
        CapabilitySet::BPF,
        CapabilitySet::SYS_ADMIN,
    ];
    let found = look(director, journal, &[], &missing)?;
    for name in ["table", "capabilities", "probe"] {
        found.is(name, "fail", 1)?;
    }

    drop(daemon);
    let found = look(director, journal, &[], &[])?;
    found.is("daemon", "warn", 0)?;

    // The table keeps the module in use; the world goes with it.
    drop(world);
    unload()?;
    let found = look_here(journal, &[])?;
    found.is("ip_vs", "fail", 1)?;
    ensure!(
        !Path::new(MODULE).exists(),
        "the doctor loaded ip_vs without being asked to mend"
    );
    let found = look_here(journal, &["--fix"])?;
    found.repaired(&["loaded ip_vs"])?;
    found.is("ip_vs", "ok", 0)?;
    Ok(found.report)
}

/// The schedulers use it, and go first.
fn unload() -> Result<()> {
    let deadline = clock::now() + LEFTOVERS_GO;
    loop {
        let users = fs::read_dir(format!("{MODULE}/holders"))
            .with_context(|| format!("cannot read {MODULE}/holders"))?;
        let users = users
            .map(|user| Ok(user?.file_name()))
            .collect::<Result<Vec<_>>>()?;
        match process::run(Command::new("modprobe").arg("-r").args(users).arg("ip_vs"), "") {
            Ok(_) => return Ok(()),
            Err(error) if clock::now() > deadline => return Err(error),
            Err(_) => clock::pass(Duration::from_millis(100)),
        }
    }
}

struct Found {
    report: Value,
    code: Option<i32>,
}

impl Found {
    /// This check has this verdict, and the exit code is this.
    fn is(&self, name: &str, verdict: &str, code: i32) -> Result<()> {
        let check = self.checks().find(|check| check["name"] == name);
        let check = check.with_context(|| format!("there is no check `{name}`: {}", self.report))?;
        ensure!(
            check["verdict"] == verdict,
            "`{name}` is not {verdict}: {}",
            self.report
        );
        ensure!(
            self.code == Some(code),
            "it ended with {:?}: {}",
            self.code,
            self.report
        );
        Ok(())
    }

    fn healthy(&self) -> Result<()> {
        let failed: Vec<&Value> = self.checks().filter(|check| check["verdict"] != "ok").collect();
        ensure!(failed.is_empty(), "this host is fit: {failed:?}");
        ensure!(self.code == Some(0), "it ended with {:?}", self.code);
        Ok(())
    }

    /// These repairs were made, and no other one was tried.
    fn repaired(&self, words: &[&str]) -> Result<()> {
        let texts = |key: &str| -> Vec<String> {
            let list = self.report[key].as_array().into_iter().flatten();
            list.filter_map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let (done, failed) = (texts("repaired"), texts("not_repaired"));
        let as_said =
            done.len() == words.len() && done.iter().zip(words).all(|(text, word)| text.contains(word));
        ensure!(
            as_said && failed.is_empty(),
            "repaired {done:?}, not {failed:?}; expected {words:?}"
        );
        Ok(())
    }

    fn checks(&self) -> impl Iterator<Item = &Value> {
        self.report["checks"].as_array().into_iter().flatten()
    }
}

/// As root on the director, that lacks these capabilities for good.
fn look(director: &Machine, state: &str, options: &[&str], missing: &[CapabilitySet]) -> Result<Found> {
    director.within(|| {
        // The bounding set belongs to this thread, which ends with this closure; the child inherits it.
        for capability in missing {
            remove_capability_from_bounding_set(*capability)
                .with_context(|| format!("cannot give up {capability:?}"))?;
        }
        look_here(state, options)
    })
}

fn look_here(state: &str, options: &[&str]) -> Result<Found> {
    let mut command = Command::new("ipvsdrain");
    command.args(["doctor", "--json", "--state", state]).args(options);
    let output = process::output(&mut command, "")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text).with_context(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        format!("`ipvsdrain doctor` ended with {}: {text} {errors}", output.status)
    })?;
    Ok(Found {
        report,
        code: output.status.code(),
    })
}
