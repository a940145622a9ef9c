//! The daemon under test, run as a user runs it: the binary, its command line, its JSON.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ipvsdrain::api::client::Client;
use ipvsdrain::api::{DEFAULT_SOCKET, DrainView, FlowsView, Status};
use nix::sys::signal::Signal;
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use serde_json::Value;
use tempfile::TempDir;

use crate::clock;
use crate::process::{self, Process};
use crate::world::{Machine, Place, World};

/// Found on `PATH`.
const PROGRAM: &str = "ipvsdrain";
/// Reading BTF is slow under emulation.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How often a starting daemon's socket is tried.
const LOOK: Duration = Duration::from_millis(5);

/// How long a verb may take that waits for no drain.
const VERB_LIMIT: Duration = Duration::from_mins(1);

/// A daemon on the director; dropping it ends it.
#[derive(Debug)]
pub struct Daemon<'world> {
    director: &'world Machine,
    process: Process,
    folder: TempDir,
}

impl<'world> Daemon<'world> {
    /// Starts it with these options more and waits until its socket answers.
    pub fn start(world: &'world World, options: &[&str]) -> Result<Self> {
        Self::start_without(world, options, &[])
    }

    /// Starts it as root that lacks these capabilities for good.
    pub fn start_without(world: &'world World, options: &[&str], missing: &[CapabilitySet]) -> Result<Self> {
        let director = world.director().machine();
        let folder = TempDir::new().context("cannot make a folder for the daemon")?;
        let process = launch(director, &folder, options, missing)?;
        Self::started(director, process, folder)
    }

    /// Starts it where the scenario itself runs, outside of this world, with these options more: `--netns` leads it in.
    pub fn start_outside(world: &'world World, options: &[&str]) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder for the daemon")?;
        let process = Process::start(&mut command_line(&folder, options)?)?;
        Self::started(world.director().machine(), process, folder)
    }

    fn started(director: &'world Machine, process: Process, folder: TempDir) -> Result<Self> {
        let mut daemon = Self {
            director,
            process,
            folder,
        };
        daemon.await_socket()?;
        Ok(daemon)
    }

    /// Kills it as a crash would, and starts it again with the journal it left.
    pub fn crash_and_restart(&mut self) -> Result<()> {
        self.kill()?;
        self.restart(&[])
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        self.end_by(Signal::SIGKILL)
    }

    /// Stops it as an operator would.
    pub fn stop(&mut self) -> Result<()> {
        self.end_by(Signal::SIGTERM)
    }

    fn end_by(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)?;
        ensure!(
            self.process.await_end(START_LIMIT)?,
            "the daemon survives {signal} for {START_LIMIT:?}"
        );
        Ok(())
    }

    /// Stops it as an operator would, unless it has ended already.
    pub fn stop_if_running(&mut self) -> Result<()> {
        match self.process.ended()? {
            Some(_) => Ok(()),
            None => self.stop(),
        }
    }

    /// Starts it again, after its end, with the journal it left and these options.
    pub fn restart(&mut self, options: &[&str]) -> Result<()> {
        self.process = launch(self.director, &self.folder, options, &[])?;
        self.await_socket()
    }

    /// `ipvsdrain daemon --clean`, for the same journal. The exit status says whether it did.
    pub fn clean(&self) -> Result<Output> {
        let mut command = Command::new(PROGRAM);
        command
            .args(["daemon", "--clean", "--state"])
            .arg(self.folder.path().join("state"));
        self.director.within(|| process::output(&mut command, ""))
    }

    /// Waits for an end that comes from elsewhere.
    pub fn await_end(&self, limit: Duration) -> Result<()> {
        ensure!(
            self.process.await_end(limit)?,
            "the daemon had not ended after {limit:?}: {}",
            self.log()
        );
        Ok(())
    }

    fn await_socket(&mut self) -> Result<()> {
        let deadline = clock::now() + START_LIMIT;
        while UnixStream::connect(self.socket()).is_err() {
            if self.process.await_end(LOOK)? {
                bail!("the daemon ended at its start: {}", self.log());
            }
            if clock::now() > deadline {
                bail!("the daemon did not listen within {START_LIMIT:?}: {}", self.log());
            }
        }
        Ok(())
    }

    /// Where its socket, its journal and its log lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `ipvsdrain` with these words, as this user with this one group.
    pub fn ask_as(&self, user: u32, group: u32, words: &[&str]) -> Result<ClientEnd> {
        let mut command = self.command(words);
        command.uid(user).gid(group);
        let output = self.director.within(|| process::output(&mut command, ""))?;
        Ok(ClientEnd::of(&output))
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Makes it the daemon that `ipvsdrain` finds without a `--socket`, for this scenario.
    pub fn publish(&self) -> Result<()> {
        let usual = Path::new(DEFAULT_SOCKET);
        let parent = usual.parent().context("the socket lies in a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        symlink(self.socket(), usual).with_context(|| format!("cannot make the link {}", usual.display()))
    }

    pub fn pid(&self) -> nix::unistd::Pid {
        self.process.pid()
    }

    /// What the daemon printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log"))
            .unwrap_or_else(|error| format!("(no log: {error})"))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).arg("--socket").arg(self.socket());
        command
    }

    /// Starts `ipvsdrain drain SERVICE SERVER --wait --json` with these options more.
    pub fn begin_drain(&self, place: Place, options: &[&str]) -> Result<PendingDrain> {
        let (service, server) = (place.service.to_string(), place.server.to_string());
        let mut command = self.command(&["drain", &service, &server, "--wait", "--json"]);
        command
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(PendingDrain {
            process: self.director.start(&mut command)?,
        })
    }

    /// Starts `ipvsdrain` with these words, as an operator without a terminal.
    pub fn asks(&self, words: &[&str]) -> Result<PendingDrain> {
        let mut command = self.command(words);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(PendingDrain {
            process: self.director.start(&mut command)?,
        })
    }

    /// The same, to its end.
    pub fn says(&self, words: &[&str]) -> Result<ClientEnd> {
        self.asks(words)?
            .ended(VERB_LIMIT)
            .with_context(|| format!("`ipvsdrain {}`", words.join(" ")))
    }

    /// `ipvsdrain restore SERVICE SERVER`, to its end.
    pub fn restore(&self, place: Place) -> Result<String> {
        let (service, server) = (place.service.to_string(), place.server.to_string());
        let mut command = self.command(&["restore", &service, &server]);
        self.director.within(|| process::run(&mut command, ""))
    }

    /// `ipvsdrain flows SERVICE SERVER --json` with these options more.
    pub fn flows(&self, place: Place, options: &[&str]) -> Result<FlowsView> {
        let (service, server) = (place.service.to_string(), place.server.to_string());
        let mut command = self.command(&["flows", &service, &server, "--json"]);
        let text = self.director.within(|| process::run(command.args(options), ""))?;
        serde_json::from_str(&text).with_context(|| format!("not the flows in JSON: {text}"))
    }

    /// What the daemon shows now.
    pub fn status(&self) -> Result<Status> {
        let client = Client::new(&self.socket());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime
            .block_on(client.status())
            .with_context(|| format!("the daemon said: {}", self.log()))
    }

    /// The newest drain of this server in the words of `ipvsdrain status --json`, whatever fields it has.
    pub fn drain_as_json(&self, place: Place) -> Result<Value> {
        let mut command = self.command(&["status", "--json"]);
        let text = self.director.within(|| process::run(&mut command, ""))?;
        let status: Value =
            serde_json::from_str(&text).with_context(|| format!("not the status in JSON: {text}"))?;
        let (service, server) = (place.service.to_string(), place.server.to_string());
        let drains = status["drains"].as_array().into_iter().flatten();
        let of = |drain: &&Value| drain["service"] == service && drain["server"] == server;
        let found = drains.rev().find(of).cloned();
        found.with_context(|| format!("the daemon shows no drain of {place}"))
    }

    /// Where the status says that this server stands, in a word; none if nobody spoke of it.
    pub fn health(&self, place: Place) -> Result<Option<String>> {
        let mut command = self.command(&["status", "--json"]);
        let text = self.director.within(|| process::run(&mut command, ""))?;
        let status: Value =
            serde_json::from_str(&text).with_context(|| format!("not the status in JSON: {text}"))?;
        let (service, server) = (place.service.to_string(), place.server.to_string());
        let of = |health: &&Value| health["service"] == service && health["server"] == server;
        let found = status["health"].as_array().into_iter().flatten().find(of);
        Ok(found.and_then(|health| Some(health["stance"]["is"].as_str()?.to_owned())))
    }

    /// Waits until the status says so of this server's health.
    pub fn await_health(&self, place: Place, word: &str, limit: Duration) -> Result<()> {
        let deadline = clock::now() + limit;
        loop {
            let said = self.health(place)?;
            if said.as_deref() == Some(word) {
                return Ok(());
            }
            ensure!(
                clock::now() < deadline,
                "the health of {place} was to be \"{word}\" and is {said:?}: {}",
                self.log()
            );
            clock::pass(Duration::from_millis(200));
        }
    }

    /// The newest drain of this server.
    pub fn drain(&self, place: Place) -> Result<DrainView> {
        let of = |drain: &DrainView| (drain.service, drain.server) == (place.service, place.server);
        let found = self.status()?.drains.into_iter().rev().find(of);
        found.with_context(|| format!("the daemon shows no drain of {place}"))
    }
}

/// Starts the daemon's process on the director.
fn launch(
    director: &Machine,
    folder: &TempDir,
    options: &[&str],
    missing: &[CapabilitySet],
) -> Result<Process> {
    let mut command = command_line(folder, options)?;
    director.within(|| {
        // The bounding set belongs to this thread, which ends with this closure; the child inherits it.
        for capability in missing {
            remove_capability_from_bounding_set(*capability)
                .with_context(|| format!("cannot give up {capability:?}"))?;
        }
        Process::start(&mut command)
    })
}

/// The daemon with these options more; its socket, journal and log lie in `folder`.
fn command_line(folder: &TempDir, options: &[&str]) -> Result<Command> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.path().join("log"))?;
    let mut command = Command::new(PROGRAM);
    command
        .args(["daemon", "--socket"])
        .arg(folder.path().join("socket"));
    command
        .arg("--state")
        .arg(folder.path().join("state"))
        .args(options);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

/// A client that waits for its drain's end.
#[derive(Debug)]
pub struct PendingDrain {
    process: Process,
}

/// How a drain ended for who asked for it.
#[derive(Debug)]
pub struct DrainEnd {
    /// The client's exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The drain as the client printed it: the last line of its standard output.
    pub drain: DrainView,
}

/// How the client ended, whether there was a drain or not.
#[derive(Debug)]
pub struct ClientEnd {
    pub code: Option<i32>,
    /// What it printed, the errors last.
    pub said: String,
}

impl ClientEnd {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            said: text(&output.stdout) + &text(&output.stderr),
        }
    }

    /// The exit code as text.
    pub fn exit(&self) -> String {
        self.code.map_or("a signal".to_owned(), |code| code.to_string())
    }
}

impl PendingDrain {
    /// Waits for its end, whatever it is: a drain that is refused ends too.
    pub fn ended(self, limit: Duration) -> Result<ClientEnd> {
        Ok(ClientEnd::of(&self.process.finish(limit)?))
    }

    /// True once it has ended; false if `limit` passes first.
    pub fn await_end(&self, limit: Duration) -> Result<bool> {
        self.process.await_end(limit)
    }

    pub fn finish(self, limit: Duration) -> Result<DrainEnd> {
        let output = self.process.finish(limit)?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let line = stdout
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        let drain = serde_json::from_str(line).with_context(|| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            format!(
                "`ipvsdrain drain` ended with {}, without a drain in JSON: {stdout} {stderr}",
                output.status
            )
        })?;
        Ok(DrainEnd {
            code: output.status.code(),
            drain,
        })
    }
}
