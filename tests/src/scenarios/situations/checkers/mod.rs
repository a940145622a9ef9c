//! Another program runs the service and sets a server to weight 0 when its check fails: keepalived with
//! `inhibit_on_failure`, ldirectord with `quiescent=yes`. The daemon adopts the server, drains it, keeps it, and yields
//! without a fight when the program gives it its weight again.
//!
//! Owns the rows, and the health that the programs check: a server is well while a file of its name exists. How each
//! program is configured is in a file of its own.

mod keepalived;
mod ldirectord;

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::judged::End;
use super::row::Row;
use super::setting::{Case, DRAINED, Setting};
use super::traffic::LAST;
use crate::clock;
use crate::process::Process;
use crate::traffic::Replies;
use crate::world::World;

const ADOPTS: &str = "[adopt]\nservices = [\"udp:10.0.0.1:5300\"]\nthen = \"keep\"\n";
const WEIGHT: i32 = 5;
/// Two checks of each program, and more.
const SETTLING: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_mins(1);

pub(super) fn rows() -> Vec<Row> {
    let setting = Setting {
        service: None,
        ..Setting::udp()
    };
    let adopting = setting.clone().with_config(ADOPTS);
    vec![
        Row::new("keepalived-alone", setting.clone(), |case| {
            alone(case, keepalived::prepare)
        }),
        Row::new("keepalived-adopted", adopting.clone(), |case| {
            adopted(case, keepalived::prepare)
        }),
        Row::new("ldirectord-alone", setting, |case| {
            alone(case, ldirectord::prepare)
        }),
        Row::new("ldirectord-adopted", adopting, |case| {
            adopted(case, ldirectord::prepare)
        }),
    ]
}

/// Writes a program's configuration into a folder, and gives the command that runs it in the foreground.
type Prepare = fn(&World, &Path) -> Result<Command>;

/// Without a configuration that adopts, what the program does is left to it.
fn alone(case: &mut Case<'_>, prepare: Prepare) -> Result<()> {
    let checker = Checker::start(case, prepare)?;
    case.send_udp(LAST, Replies::Echo)?;
    checker.fail(case)?;
    await_weight(case, 0)?;
    clock::pass(Duration::from_secs(20));
    checker.recover(case)?;
    await_weight(case, WEIGHT)?;
    case.facts.add("weights", "5 0 5", weights(case));
    case.judge(None, End::REFUSED.unwaited().weight(Some(WEIGHT)))
}

fn adopted(case: &mut Case<'_>, prepare: Prepare) -> Result<()> {
    let checker = Checker::start(case, prepare)?;
    case.send_udp(LAST, Replies::Echo)?;
    checker.fail(case)?;
    await_weight(case, 0)?;
    let view = case.await_drain("drained", |view| view.state.word() == "drained");
    let shown = case.daemon.drain_as_json(case.place).unwrap_or_default();
    case.facts.says("reason", "adopted", shown["reason"].as_str());
    let state = view.map_or_else(|error| format!("{error:#}"), |view| view.state.to_string());
    case.facts.says("came to", "drained", Some(&state));
    clock::pass(Duration::from_secs(20));
    case.facts.add("kept at", 0, case.weight(case.place)?);
    checker.recover(case)?;
    await_weight(case, WEIGHT)?;
    clock::pass(Duration::from_secs(20));
    case.facts.add("weights", "5 0 5", weights(case));
    let end = End::REMOVED.unwaited().state("yielded").weight(Some(WEIGHT));
    case.judge(None, end)
}

/// Since the program had made the service.
fn weights(case: &Case<'_>) -> String {
    case.witness.weights_since(case.place, case.since)
}

fn await_weight(case: &Case<'_>, weight: i32) -> Result<()> {
    let deadline = clock::now() + LIMIT;
    while case.weight(case.place)? != Some(weight) {
        ensure!(
            clock::now() < deadline,
            "nobody set the weight of server1 to {weight} within {LIMIT:?}"
        );
        clock::pass(Duration::from_millis(200));
    }
    Ok(())
}

/// A running program that checks servers.
#[derive(Debug)]
struct Checker {
    folder: TempDir,
    _process: Process,
}

impl Checker {
    /// Starts it and waits until it has made the service.
    fn start(case: &mut Case<'_>, prepare: Prepare) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder for a checker")?;
        for (server, machine) in case.world.servers() {
            let well = well(folder.path(), machine.address());
            File::create(well).with_context(|| format!("cannot make server{} well", server.0))?;
        }
        let log = File::create(folder.path().join("log")).context("cannot make a log")?;
        let mut command = prepare(case.world, folder.path())?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = case.world.director().machine().start(&mut command)?;
        let checker = Self {
            folder,
            _process: process,
        };
        await_weight(case, WEIGHT).with_context(|| checker.log())?;
        // ldirectord takes its servers to be unwell until it has checked them.
        clock::pass(SETTLING);
        await_weight(case, WEIGHT).with_context(|| checker.log())?;
        case.remember()?;
        Ok(checker)
    }

    fn fail(&self, case: &Case<'_>) -> Result<()> {
        fs::remove_file(self.well(case)).context("cannot make server1 unwell")
    }

    fn recover(&self, case: &Case<'_>) -> Result<()> {
        File::create(self.well(case)).context("cannot make server1 well")?;
        Ok(())
    }

    fn well(&self, case: &Case<'_>) -> PathBuf {
        well(self.folder.path(), case.world.server(DRAINED).address())
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        format!("it printed: {log}")
    }
}

fn well(folder: &Path, server: Ipv4Addr) -> PathBuf {
    folder.join(format!("{server}-is-well"))
}
