//! Runs one hook once: JSON in, a bounded time, nothing left behind.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::config::Hook;

/// How much of what it complains of is repeated in the log.
const LONGEST_COMPLAINT: u64 = 2000;

/// Why a hook was not told, or failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    #[error("{program}: it cannot be started: {source}")]
    Start { program: String, source: io::Error },
    #[error("{program}: killed after {secs} s: it had not ended; see timeout_secs")]
    Slow { program: String, secs: u32 },
    #[error("{program}: it ended with {how}: {complaint}")]
    Failed {
        program: String,
        how: String,
        complaint: String,
    },
    #[error("{program}: talking to it failed: {source}")]
    Talk { program: String, source: io::Error },
}

/// Runs it and waits for its end, or ends it with all it started.
pub(super) async fn run(hook: &Hook, json: &str) -> Result<(), HookError> {
    let program = hook.run.first().cloned().unwrap_or_default();
    let child = Command::new(&program)
        .args(hook.run.iter().skip(1))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC")
        // A group of its own, so that what it starts can be ended with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(source) => return Err(HookError::Start { program, source }),
    };
    let group = child.id();
    let limit = Duration::from_secs(u64::from(hook.timeout_secs));
    let ended = timeout(limit, talk(&mut child, json)).await;
    match ended {
        Ok(Ok((true, _, _))) => Ok(()),
        Ok(Ok((false, how, complaint))) => Err(HookError::Failed {
            program,
            how,
            complaint,
        }),
        Ok(Err(source)) => Err(HookError::Talk { program, source }),
        Err(_) => {
            kill(group);
            // Reaped here; it cannot outlive the signal.
            drop(child.wait().await);
            Err(HookError::Slow {
                program,
                secs: hook.timeout_secs,
            })
        }
    }
}

/// Whether it succeeded, how it ended and what it complained of.
async fn talk(child: &mut Child, json: &str) -> io::Result<(bool, String, String)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let tell = async {
        if let Some(mut stdin) = stdin {
            // One that does not read is told all the same.
            drop(stdin.write_all(json.as_bytes()).await);
        }
    };
    let listen = async {
        let mut complaint = Vec::new();
        if let Some(mut stderr) = stderr {
            let mut first = (&mut stderr).take(LONGEST_COMPLAINT);
            first.read_to_end(&mut complaint).await?;
            tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
        }
        io::Result::Ok(String::from_utf8_lossy(&complaint).trim().to_owned())
    };
    let ((), complaint, status) = tokio::join!(tell, listen, child.wait());
    let status = status?;
    Ok((status.success(), status.to_string(), complaint?))
}

fn kill(group: Option<u32>) {
    let Some(group) = group.and_then(|pid| i32::try_from(pid).ok()) else {
        return;
    };
    match killpg(Pid::from_raw(group), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => tracing::warn!("process group {group} of a hook cannot be killed: {errno}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(script: &str, timeout_secs: u32) -> Hook {
        Hook {
            run: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            timeout_secs,
            ..Hook::default()
        }
    }

    #[tokio::test]
    async fn a_hook_reads_its_news_and_its_failure_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        let script = format!("cat > {}", seen.display());
        run(&hook(&script, 60), "{\"to\":\"quiet\"}\n").await.unwrap();
        assert_eq!(std::fs::read_to_string(&seen).unwrap(), "{\"to\":\"quiet\"}\n");
        let failed = run(&hook("echo no such room >&2; exit 3", 60), "x").await;
        let said = failed.unwrap_err().to_string();
        assert!(
            said.contains("exit status: 3") && said.contains("no such room"),
            "{said}"
        );
        let missing = Hook {
            run: vec!["/no/such/program".to_owned()],
            ..Hook::default()
        };
        let said = run(&missing, "x").await.unwrap_err().to_string();
        assert!(
            said.starts_with("/no/such/program: it cannot be started"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn a_hook_that_does_not_end_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
        let said = run(&hook(&script, 3), "x").await.unwrap_err().to_string();
        assert!(said.contains("killed after 3 s"), "{said}");
        let child: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        // Gone, or a zombie of whoever adopts it. The kernel may take a moment: a sleep of 1000 s would not end by itself.
        let is_alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat"));
            stat.is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
        };
        while is_alive() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
