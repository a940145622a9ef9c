//! keepalived runs the service and sets a server to weight 0 when its check fails (`inhibit_on_failure`). The daemon adopts
//! the server, drains it, keeps it, and yields without a fight when keepalived gives it its weight again.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::judged::End;
use super::row::Row;
use super::setting::{Case, PORT, Setting};
use super::traffic::LAST;
use crate::clock;
use crate::ledger::Server;
use crate::process::Process;
use crate::traffic::Replies;
use crate::world::VIP;

const ADOPTS: &str = "[adopt]\nservices = [\"udp:10.0.0.1:5300\"]\nthen = \"keep\"\n";
const WEIGHT: i32 = 5;
const LIMIT: Duration = Duration::from_mins(1);

pub(super) fn rows() -> Vec<Row> {
    let setting = Setting {
        service: None,
        ..Setting::udp()
    };
    vec![
        Row::new("keepalived-alone", setting.clone(), alone),
        Row::new("keepalived-adopted", setting.with_config(ADOPTS), adopted),
    ]
}

/// Without a configuration that adopts, what keepalived does is left to it.
fn alone(case: &mut Case<'_>) -> Result<()> {
    let keepalived = Keepalived::start(case)?;
    case.send_udp(LAST, Replies::Echo)?;
    keepalived.fail(Server(1))?;
    await_weight(case, 0)?;
    clock::pass(Duration::from_secs(20));
    keepalived.recover(Server(1))?;
    await_weight(case, WEIGHT)?;
    case.facts.add("weights", "5 0 5", weights(case));
    case.judge(None, End::REFUSED.unwaited().weight(Some(WEIGHT)))
}

fn adopted(case: &mut Case<'_>) -> Result<()> {
    let keepalived = Keepalived::start(case)?;
    case.send_udp(LAST, Replies::Echo)?;
    keepalived.fail(Server(1))?;
    await_weight(case, 0)?;
    let view = case.await_drain("drained", |view| view.state.word() == "drained");
    let shown = case.daemon.drain_as_json(case.place).unwrap_or_default();
    case.facts.says("reason", "adopted", shown["reason"].as_str());
    let state = view.map_or_else(|error| format!("{error:#}"), |view| view.state.to_string());
    case.facts.says("came to", "drained", Some(&state));
    clock::pass(Duration::from_secs(20));
    case.facts.add("kept at", 0, case.weight(case.place)?);
    keepalived.recover(Server(1))?;
    await_weight(case, WEIGHT)?;
    clock::pass(Duration::from_secs(20));
    case.facts.add("weights", "5 0 5", weights(case));
    let end = End::REMOVED.unwaited().state("yielded").weight(Some(WEIGHT));
    case.judge(None, end)
}

/// Since keepalived made the service.
fn weights(case: &Case<'_>) -> String {
    case.witness
        .weights(case.place)
        .trim_start_matches("- ")
        .to_owned()
}

fn await_weight(case: &Case<'_>, weight: i32) -> Result<()> {
    let deadline = clock::now() + LIMIT;
    while case.weight(case.place)? != Some(weight) {
        ensure!(
            clock::now() < deadline,
            "keepalived did not set the weight of server1 to {weight} within {LIMIT:?}"
        );
        clock::pass(Duration::from_millis(200));
    }
    Ok(())
}

/// A running keepalived; a server is healthy while a file of its name exists.
#[derive(Debug)]
struct Keepalived {
    folder: TempDir,
    _process: Process,
}

impl Keepalived {
    /// Starts it and waits until it has made the service.
    fn start(case: &mut Case<'_>) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder for keepalived")?;
        for (server, _) in case.world.servers() {
            File::create(health(folder.path(), server)).context("cannot make a file")?;
        }
        let path = folder.path().join("keepalived.conf");
        fs::write(&path, configuration(case, folder.path())).context("cannot write a configuration")?;
        let log = File::create(folder.path().join("log")).context("cannot make a log")?;
        let mut command = Command::new("keepalived");
        command
            .args(["--check", "--dont-fork", "--log-console", "--use-file"])
            .arg(&path);
        for (option, name) in [
            ("--pid", "pid"),
            ("--checkers_pid", "checkers"),
            ("--vrrp_pid", "vrrp"),
        ] {
            command.arg(option).arg(folder.path().join(name));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = case.world.director().machine().start(&mut command)?;
        let keepalived = Self {
            folder,
            _process: process,
        };
        await_weight(case, WEIGHT).with_context(|| keepalived.log())?;
        case.remember()?;
        Ok(keepalived)
    }

    fn fail(&self, server: Server) -> Result<()> {
        fs::remove_file(health(self.folder.path(), server)).context("cannot remove a file")
    }

    fn recover(&self, server: Server) -> Result<()> {
        File::create(health(self.folder.path(), server)).context("cannot make a file")?;
        Ok(())
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        format!("keepalived printed: {log}")
    }
}

fn health(folder: &Path, server: Server) -> PathBuf {
    folder.join(format!("server{}-is-well", server.0))
}

fn configuration(case: &Case<'_>, folder: &Path) -> String {
    let mut text = format!(
        "global_defs {{\n script_user root\n}}\n\
         virtual_server {VIP} {PORT} {{\n delay_loop 2\n lvs_sched rr\n lvs_method DR\n protocol UDP\n"
    );
    for (server, machine) in case.world.servers() {
        let health = health(folder, server);
        let _ = write!(
            text,
            " real_server {} {PORT} {{\n  weight {WEIGHT}\n  inhibit_on_failure\n  \
             MISC_CHECK {{\n   misc_path \"/usr/bin/test -e {}\"\n   misc_timeout 5\n  }}\n }}\n",
            machine.address(),
            health.display()
        );
    }
    text + "}\n"
}
