//! Commands that end in every way.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::servers::{IMPATIENT, PATIENT, failed, tried};
use crate::health::Outcome;

fn shell(script: &str, more: &str) -> String {
    format!("exec = {{ run = [\"/bin/sh\", \"-c\", '''{script}'''] {more} }}")
}

async fn ran(script: &str, more: &str, timeout_ms: u32) -> Outcome {
    tried(
        &shell(script, more),
        timeout_ms,
        "[2001:db8::5]:53".parse().unwrap(),
    )
    .await
}

#[tokio::test]
async fn the_exit_code_is_the_result() {
    assert_eq!(ran("exit 0", "", PATIENT).await, Outcome::Passed);
    assert_eq!(
        ran("echo lag >&2; exit 3", "", PATIENT).await,
        failed("exit code 3: lag")
    );
    assert_eq!(
        ran("exit 2", ", down = [2]", PATIENT).await,
        failed("exit code 2")
    );
    let no_result = |outcome: Outcome, part: &str| match outcome {
        Outcome::NoResult(said) => assert!(said.contains(part), "{said}"),
        odd => panic!("{odd:?}"),
    };
    no_result(ran("exit 1", ", down = [2]", PATIENT).await, "exit code 1");
    no_result(ran("kill -9 $$", "", PATIENT).await, "signal");
    let missing = "exec = { run = [\"/no/such/program\"] }";
    let missing = tried(missing, PATIENT, "10.1.0.5:53".parse().unwrap()).await;
    no_result(missing, "/no/such/program cannot be started");
}

#[tokio::test]
async fn a_command_is_told_what_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let named = "grep -e ^IPVSDRAIN_CHECK -e ^IPVSDRAIN_SE -e ^IPVSDRAIN_TIMEOUT";
    let script = format!("env | {named} | sort > {}", told.display());
    assert_eq!(ran(&script, "", PATIENT).await, Outcome::Passed);
    let told = fs::read_to_string(&told).unwrap();
    let expected = "IPVSDRAIN_CHECK=exec\nIPVSDRAIN_SERVER=[2001:db8::5]:53\nIPVSDRAIN_SERVER_ADDRESS=2001:db8::5\n\
                    IPVSDRAIN_SERVER_PORT=53\nIPVSDRAIN_SERVICE=tcp:10.0.0.1:80\nIPVSDRAIN_TIMEOUT_MS=300000\n";
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_command_that_does_not_end_is_killed_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
    let outcome = ran(&script, "", 3000).await;
    assert_eq!(outcome, failed("killed: no end within 3000 ms"));
    is_gone(&pid).await;
    assert_eq!(
        ran("exec sleep 1000", "", IMPATIENT).await,
        failed("killed: no end within 100 ms")
    );
}

#[tokio::test]
async fn what_a_command_leaves_running_is_ended_with_it_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {}; exit 0", pid.display());
    assert_eq!(ran(&script, "", PATIENT).await, Outcome::Passed);
    is_gone(&pid).await;
}

#[tokio::test]
async fn a_command_that_nobody_waits_for_any_more_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let script = format!(
        "sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait",
        pid.display()
    );
    let task = tokio::spawn(async move { ran(&script, "", PATIENT).await });
    while !pid.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    is_gone(&pid).await;
}

/// Waits until the process is: a sleep of 1000 s would not end by itself.
async fn is_gone(pid: &Path) {
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let is_alive = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
    };
    while is_alive() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
