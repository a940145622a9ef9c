//! The guest's first process: sets the machine up, does what the request says, powers off.
//!
//! Scenarios know nothing of this file; they run the same on a host that has `ip_vs` of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::time::{ClockId, clock_gettime};

use crate::protocol::{Event, REQUEST_PATH, Request, Stream};
use crate::scenario::Sink;
use crate::{mounts, performance};

/// The second serial port: events only, so that the kernel's own messages never mix with them.
const EVENT_PORT: &str = "/dev/ttyS1";

/// Whether this process is the first one of a lab's guest. It may also be that of a container, or of the
/// namespace of one scenario, which is told what to perform.
pub fn is_this() -> bool {
    let performs = std::env::args().nth(1).is_some_and(|word| word == "perform");
    std::process::id() == 1 && Path::new(REQUEST_PATH).exists() && !performs
}

/// Runs the guest from its first to its last moment.
pub fn main() -> ! {
    if let Err(error) = live() {
        eprintln!("lab guest: {error:#}");
    }
    // Without a power-off the kernel would panic on the end of its first process.
    nix::unistd::sync();
    let _ = reboot(RebootMode::RB_POWER_OFF);
    loop {
        thread::park();
    }
}

fn live() -> anyhow::Result<()> {
    set_environment();
    mounts::mount_all(mounts::ONCE)?;
    let sink = event_port()?;
    sink(&Event::Booted {
        kernel: performance::kernel_release(),
        guest_seconds: guest_seconds(),
    });
    if let Err(error) = obey(&sink) {
        sink(&Event::Trouble {
            text: format!("{error:#}"),
        });
    }
    sink(&Event::End {
        guest_seconds: guest_seconds(),
    });
    Ok(())
}

fn obey(sink: &Sink) -> anyhow::Result<()> {
    let text = fs::read(REQUEST_PATH).with_context(|| format!("cannot read {REQUEST_PATH}"))?;
    let request: Request = serde_json::from_slice(&text).with_context(|| format!("in {REQUEST_PATH}"))?;
    beat(sink.clone());
    nix::unistd::sethostname("lab").context("cannot set the host name")?;
    command(&["ip", "link", "set", "lo", "up"])?;
    command(&["modprobe", "ip_vs"])?;
    if request.command.is_empty() {
        performance::run_all(&request, sink);
    } else {
        let code = run_command(&request.command, sink)?;
        sink(&Event::Exited { code });
    }
    Ok(())
}

fn set_environment() {
    // SAFETY: no other thread exists yet.
    unsafe {
        std::env::set_var("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        std::env::set_var("HOME", "/");
        std::env::set_var("RUST_BACKTRACE", "1");
    }
}

fn event_port() -> anyhow::Result<Sink> {
    let port = OpenOptions::new()
        .write(true)
        .read(true)
        .open(EVENT_PORT)
        .with_context(|| format!("cannot open {EVENT_PORT}"))?;
    let mut settings =
        tcgetattr(&port).with_context(|| format!("cannot read the settings of {EVENT_PORT}"))?;
    cfmakeraw(&mut settings);
    tcsetattr(&port, SetArg::TCSANOW, &settings).with_context(|| format!("cannot set up {EVENT_PORT}"))?;
    let port = Arc::new(Mutex::new(port));
    Ok(Arc::new(move |event: &Event| {
        let mut port = port.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        write_line(&mut port, &event.to_line());
    }))
}

fn write_line(port: &mut File, line: &str) {
    if let Err(error) = port.write_all(line.as_bytes()) {
        // The console is the only place left to say it.
        eprintln!("lab guest: cannot write to {EVENT_PORT}: {error}");
    }
}

/// Seconds since the guest booted, by its own clock.
fn guest_seconds() -> f64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0.0, |now| Duration::from(now).as_secs_f64())
}

fn beat(sink: Sink) {
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(5));
            sink(&Event::Alive {
                guest_seconds: guest_seconds(),
            });
        }
    });
}

/// Runs a command of the guest's own set-up; it must succeed.
fn command(words: &[&str]) -> anyhow::Result<()> {
    let line = words.join(" ");
    let output = Command::new(words[0])
        .args(&words[1..])
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    anyhow::ensure!(
        output.status.success(),
        "`{line}`: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Runs the asked-for command and passes on each line it writes.
fn run_command(words: &[String], sink: &Sink) -> anyhow::Result<i32> {
    let (program, arguments) = words.split_first().context("the command is empty")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{program}` in the guest"))?;
    let stdout = child
        .stdout
        .take()
        .map(|pipe| pass_on(pipe, Stream::Stdout, sink.clone()));
    let stderr = child
        .stderr
        .take()
        .map(|pipe| pass_on(pipe, Stream::Stderr, sink.clone()));
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{program}`"))?;
    for reader in [stdout, stderr].into_iter().flatten() {
        let _ = reader.join();
    }
    Ok(status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}

fn pass_on(pipe: impl Read + Send + 'static, stream: Stream, sink: Sink) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            sink(&Event::Output {
                stream,
                line: String::from_utf8_lossy(&line).into_owned(),
            });
        }
    })
}
