//! Programs a scenario starts: run to the end, or left running and never left behind.

use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Runs a program to its end with `input` on its standard input; its standard output is returned.
pub fn run(command: &mut Command, input: &str) -> Result<String> {
    let output = output(command, input)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{} ended with {}: {}",
        shown(command),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(text)
}

/// Like [`run`], but any exit status is an answer.
pub fn output(command: &mut Command, input: &str) -> Result<Output> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let mut stdin = child
        .stdin
        .take()
        .context("the child's standard input is a pipe")?;
    // Written beside the reading below: a child that answers while it reads would otherwise block on both pipes.
    thread::scope(|scope| {
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        child
            .wait_with_output()
            .with_context(|| format!("cannot wait for {}", shown(command)))
    })
}

/// How long a dropped program has to end by itself.
const MANNERS: Duration = Duration::from_secs(5);

/// A running program; dropping it ends it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program in the calling thread's namespace.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", shown(command)))?;
        Ok(Self { name, child })
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Has it ended? It is not waited for.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot ask for the state of {}", self.name))
    }

    /// Waits for its end and returns its output, as far as it was piped. Past `limit` it is killed: an error.
    pub fn finish(mut self, limit: Duration) -> Result<Output> {
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        thread::scope(|scope| {
            let stdout = scope.spawn(|| read_all(stdout));
            let stderr = scope.spawn(|| read_all(stderr));
            let in_time = self.await_end(limit)?;
            if !in_time {
                self.child
                    .kill()
                    .with_context(|| format!("cannot kill {}", self.name))?;
            }
            let status = self
                .child
                .wait()
                .with_context(|| format!("cannot wait for {}", self.name))?;
            let stdout = stdout.join().expect("reading a pipe does not panic");
            let stderr = stderr.join().expect("reading a pipe does not panic");
            if !in_time {
                bail!(
                    "{} had not ended after {limit:?}; it said: {} {}",
                    self.name,
                    String::from_utf8_lossy(&stdout),
                    String::from_utf8_lossy(&stderr)
                );
            }
            Ok(Output {
                status,
                stdout,
                stderr,
            })
        })
    }

    /// True once it has ended; false if `limit` passes first.
    pub fn await_end(&self, limit: Duration) -> Result<bool> {
        let handle = pidfd(self.pid())?;
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut fds, timeout).context("cannot poll a process")? > 0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Told first: a program with children of its own takes them along.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.signal(Signal::SIGTERM);
            if !self.await_end(MANNERS).unwrap_or(false) {
                let _ = self.child.kill();
            }
            let _ = self.child.wait();
        }
    }
}

fn pidfd(pid: Pid) -> Result<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid.as_raw()).context("a process has an id")?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).context("cannot open a pidfd")
}

fn read_all(pipe: Option<impl std::io::Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What was read before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
