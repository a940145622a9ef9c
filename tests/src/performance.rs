//! Runs scenarios one after another, each alone: in a process of its own, in fresh network, mount and
//! process namespaces. So none inherits another's tables, sysctls, pinned maps or daemons, whatever its
//! end was, and on a host the machine's own network is never touched.
//!
//! Two sides meet here: [`run_all`] starts the processes, [`perform`] is what each of them does.

use std::any::Any;
use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::mounts;
use crate::protocol::{Event, Request, ScenarioResult};
use crate::scenario::{Findings, Sink, Stage, find, missing_programs};

/// Runs the scenarios of `request` in order, and says whether all passed.
pub fn run_all(request: &Request, sink: &Sink) -> bool {
    let mut all_passed = true;
    for name in &request.scenarios {
        let begin = Instant::now();
        let ended = find(name).and_then(|_| run_apart(name, request, sink));
        let result = ended.unwrap_or_else(|error| ScenarioResult {
            scenario: name.clone(),
            kernel: kernel_release(),
            passed: false,
            error: Some(format!("{error:#}")),
            value: Value::Null,
            guest_seconds: begin.elapsed().as_secs_f64(),
        });
        all_passed &= result.passed;
        sink(&Event::Finished(result));
    }
    all_passed
}

/// Runs one scenario in its own process and passes its events on, up to its result.
fn run_apart(name: &str, request: &Request, sink: &Sink) -> anyhow::Result<ScenarioResult> {
    sink(&Event::Started {
        scenario: name.to_owned(),
    });
    let (mut child, starter) = spawn_in_namespaces(name, &request.options)?;
    let ended = follow(&mut child, Duration::from_secs(request.limit_seconds), sink);
    // It is the first process of its namespace: everything it left running ends with it.
    let _ = child.kill();
    let status = child.wait().context("cannot wait for the scenario's process")?;
    drop(starter);
    match ended? {
        Some(result) => Ok(result),
        None => Err(anyhow!("its process ended without a result: {status}")),
    }
}

/// The thread that started a scenario's process: it ends when this is dropped, and with it the process, which asked for
/// that.
struct Starter {
    _stays: Sender<()>,
}

/// A thread enters new namespaces and starts the process there; the threads it leaves behind stay outside.
fn spawn_in_namespaces(name: &str, options: &Value) -> anyhow::Result<(Child, Starter)> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg("perform")
        .arg(name)
        .arg(format!("--options={options}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let (stays, until_gone) = channel::<()>();
    let (tell, told) = channel();
    thread::spawn(move || {
        let started = unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)
            .context("cannot make namespaces (unshare)")
            .and_then(|()| command.spawn().context("cannot start the scenario's process"));
        let _ = tell.send(started);
        // Nothing is ever sent.
        let _ = until_gone.recv();
    });
    let child = told
        .recv()
        .context("the thread that starts a scenario is gone")??;
    Ok((child, Starter { _stays: stays }))
}

/// Passes on what the process says, up to its result; nothing if it ends without one.
fn follow(child: &mut Child, limit: Duration, sink: &Sink) -> anyhow::Result<Option<ScenarioResult>> {
    let output = child
        .stdout
        .take()
        .context("the scenario's process has no output")?;
    let lines = lines_of(output);
    let deadline = Instant::now() + limit;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => match Event::from_line(&line) {
                Some(Event::Finished(result)) => return Ok(Some(result)),
                Some(event) => sink(&event),
                // A program that the scenario started wrote this; the console's log keeps it.
                None => eprintln!("{line}"),
            },
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                return Err(anyhow!(
                    "not done after {} s of the guest's clock",
                    limit.as_secs()
                ));
            }
        }
    }
}

fn lines_of(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    lines
}

/// What a scenario's own process does: makes the namespaces usable, runs the scenario, writes the result.
pub fn perform(name: &str, options: Value) -> anyhow::Result<()> {
    let begin = Instant::now();
    // Who is interrupted on a host must not leave this behind: the first process of a namespace ignores what a terminal sends.
    set_pdeathsig(Signal::SIGKILL).context("cannot ask to end with whoever started this")?;
    let sink: Sink = Arc::new(|event: &Event| {
        // A reader that went away is no reason to stop half-way.
        let _ = std::io::stdout().write_all(event.to_line().as_bytes());
    });
    let ended = settle_in().and_then(|()| run_scenario(name, options, sink.clone()));
    let (value, error) = match ended {
        Ok(value) => (value, None),
        Err(error) => {
            let found = error.downcast_ref::<Findings>();
            (
                found.map_or(Value::Null, |findings| findings.value.clone()),
                Some(format!("{error:#}")),
            )
        }
    };
    sink(&Event::Finished(ScenarioResult {
        scenario: name.to_owned(),
        kernel: kernel_release(),
        passed: error.is_none(),
        error,
        value,
        guest_seconds: begin.elapsed().as_secs_f64(),
    }));
    Ok(())
}

/// Gives these namespaces file systems of their own, and a loopback.
fn settle_in() -> anyhow::Result<()> {
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .context("cannot make the mounts private")?;
    mounts::mount_all(mounts::PER_SCENARIO)?;
    let output = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .output()
        .context("cannot start ip")?;
    anyhow::ensure!(
        output.status.success(),
        "ip link set lo up: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn run_scenario(name: &str, options: Value, sink: Sink) -> anyhow::Result<Value> {
    let scenario = find(name)?;
    let missing = missing_programs(&scenario);
    anyhow::ensure!(
        missing.is_empty(),
        "programs it needs are not here: {}",
        missing.join(", ")
    );
    let mut stage = Stage::new(scenario.name, options, sink);
    catch_unwind(AssertUnwindSafe(|| (scenario.run)(&mut stage)))
        .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", panic_text(panic.as_ref()))))
}

/// The running kernel's release, as in `uname -r`.
pub fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn nobody() -> Sink {
        Arc::new(|_: &Event| ())
    }

    #[test]
    fn a_process_that_dies_has_no_result_and_an_endless_one_is_given_up() {
        let ended = follow(
            &mut shell("echo noise; exit 1"),
            Duration::from_mins(1),
            &nobody(),
        );
        assert_eq!(ended.unwrap(), None);
        let mut endless = shell("exec sleep 1000");
        let error = follow(&mut endless, Duration::from_millis(20), &nobody()).unwrap_err();
        endless.kill().unwrap();
        endless.wait().unwrap();
        assert!(error.to_string().contains("not done after"));
    }

    #[test]
    fn a_result_is_taken_as_it_was_written() {
        let result = ScenarioResult {
            scenario: "one".into(),
            kernel: "6.1".into(),
            passed: true,
            error: None,
            value: Value::from(7),
            guest_seconds: 2.0,
        };
        let line = Event::Finished(result.clone()).to_line();
        let mut child = shell(&format!("echo '{}'", line.trim()));
        assert_eq!(
            follow(&mut child, Duration::from_mins(1), &nobody()).unwrap(),
            Some(result)
        );
        child.wait().unwrap();
    }

    #[test]
    fn a_panic_keeps_its_text() {
        let panic = catch_unwind(|| panic!("lost {} packets", 3)).unwrap_err();
        assert_eq!(panic_text(panic.as_ref()), "lost 3 packets");
    }
}
