//! The daemon is killed (SIGKILL) in each state of a drain and started again: the drain ends as without it.
//!
//! `drained` lasts no longer than the removal takes: there the kill comes from a tracer, at the daemon's first write to the
//! borrowed sysctl, after the journal and before the kernel.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::drain::State;

use super::judged::End;
use super::row::Row;
use super::setting::{Case, LIMIT, Setting};
use super::traffic::LAST;
use crate::clock;
use crate::process::Process;
use crate::traffic::Replies;

const SYSCTL: &str = "net.ipv4.vs.expire_nodest_conn";
const SYSCTL_PATH: &str = "/proc/sys/net/ipv4/vs/expire_nodest_conn";
/// Shorter than what is left of a drain with live flows.
const DEAD: Duration = Duration::from_secs(3);

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("killed-draining", Setting::udp(), draining),
        Row::new("killed-quiet", Setting::udp(), quiet),
        Row::new("killed-drained", Setting::udp(), drained),
        Row::new("killed-removing", Setting::udp(), removing),
        Row::new("killed-aftermath", Setting::udp(), aftermath),
    ]
}

fn draining(case: &mut Case<'_>) -> Result<()> {
    begin(case)?;
    case.await_drain("live flows", |view| {
        view.state == State::Draining && view.live.is_some_and(|live| live.udp > 0)
    })?;
    kill(case)?;
    clock::pass(DEAD);
    ends(case, End::IDLE)
}

/// Where both windows are the same, quiet lasts for less than a second.
fn quiet(case: &mut Case<'_>) -> Result<()> {
    begin_with(case, &["--closing-quiet", "20s"])?;
    case.await_drain("live flows", |view| view.live.is_some_and(|live| live.udp > 0))?;
    case.await_drain("quiet", |view| view.state == State::Quiet)?;
    kill(case)?;
    ends(case, End::IDLE.after(Duration::from_secs(20)))
}

/// The removal is in the journal, and the kernel has not heard of it.
fn drained(case: &mut Case<'_>) -> Result<()> {
    begin(case)?;
    // Long before: the tracer takes its time, and quiet lasts for less than a second.
    case.await_drain("draining", |view| view.state == State::Draining)?;
    let _tracer = tracer_that_kills(case)?;
    case.daemon.await_end(LIMIT)?;
    let weight = case.weight(case.place)?;
    ensure!(
        weight == Some(0),
        "killed too late: the weight of server1 is {weight:?}"
    );
    let sysctl = case.world.director().machine().sysctl(SYSCTL)?;
    ensure!(sysctl == "0", "killed too late: {SYSCTL} is {sysctl}");
    ends(case, End::REMOVED)
}

/// The sysctl is borrowed, and the daemon may not have seen yet that the server is gone.
fn removing(case: &mut Case<'_>) -> Result<()> {
    begin(case)?;
    let director = case.world.director().machine();
    let deadline = clock::now() + LIMIT;
    director.within(|| {
        loop {
            let value = std::fs::read_to_string(SYSCTL_PATH).context("cannot read the sysctl")?;
            if value.trim() == "1" {
                return Ok(());
            }
            ensure!(clock::now() < deadline, "{SYSCTL} was never borrowed");
            clock::pass(Duration::from_millis(1));
        }
    })?;
    kill(case)?;
    ends(case, End::IDLE)
}

/// The server is gone, and what that cost is still counted.
fn aftermath(case: &mut Case<'_>) -> Result<()> {
    begin(case)?;
    case.await_drain("the removal", |view| view.state == State::Removed)?;
    kill(case)?;
    ends(case, End::IDLE)
}

/// The client that waits dies with its daemon: nobody asks for its exit code.
fn begin(case: &mut Case<'_>) -> Result<()> {
    begin_with(case, &[])
}

fn begin_with(case: &mut Case<'_>, options: &[&str]) -> Result<()> {
    case.send_udp(LAST, Replies::Echo)?;
    let client = case.drain(options)?;
    ensure!(
        !client.await_end(Duration::from_secs(1))?,
        "the drain ended at once"
    );
    case.client = Some(client);
    Ok(())
}

fn kill(case: &mut Case<'_>) -> Result<()> {
    let view = case.daemon.drain(case.place)?;
    ensure!(!view.over, "the drain was over before the kill: {view:?}");
    case.daemon.kill()
}

fn ends(case: &mut Case<'_>, end: End) -> Result<()> {
    case.restart()?;
    let view = case.await_drain("its end", |view| view.over)?;
    case.facts.add(
        "lost by the daemon",
        0,
        view.arrivals.map(|arrivals| arrivals.lost),
    );
    case.judge(None, end.unwaited())
}

/// Kills the daemon as it is about to write the sysctl for the first time.
fn tracer_that_kills(case: &Case<'_>) -> Result<Process> {
    let mut command = Command::new("strace");
    command
        .args([
            "-f",
            "-q",
            "-e",
            "inject=write:signal=SIGKILL:when=1",
            "-P",
            SYSCTL_PATH,
            "-p",
        ])
        .arg(case.daemon.pid().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Process::start(&mut command)
}
