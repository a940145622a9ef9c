//! Runs one hook once: JSON in, a bounded time, nothing left behind.

use std::io;
use std::time::Duration;

use crate::command::{Call, CallError, Ended};
use crate::config::Hook;

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
    let call = Call {
        run: &hook.run,
        environment: &[],
        input: json,
        limit: Duration::from_secs(u64::from(hook.timeout_secs)),
        alone: false,
    };
    match call.make().await {
        Ok(Ended::ByItself { status, .. }) if status.success() => Ok(()),
        Ok(Ended::ByItself { status, complaint }) => Err(HookError::Failed {
            program,
            how: status.to_string(),
            complaint,
        }),
        Ok(Ended::Killed) => Err(HookError::Slow {
            program,
            secs: hook.timeout_secs,
        }),
        Err(CallError::Start(source)) => Err(HookError::Start { program, source }),
        Err(CallError::Talk(source)) => Err(HookError::Talk { program, source }),
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
