//! Runs a command once: a bounded time, and nothing left behind. Why it is run, and what its end means, is the caller's.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How much of what it complains of is kept.
const LONGEST_COMPLAINT: u64 = 2000;

#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The program and its arguments.
    pub(crate) run: &'a [String],
    pub(crate) environment: &'a [(&'static str, String)],
    /// What it reads on its standard input.
    pub(crate) input: &'a str,
    pub(crate) limit: Duration,
    /// What it leaves running is ended with it, and not waited for.
    pub(crate) alone: bool,
}

#[derive(Debug)]
pub(crate) enum Ended {
    /// With what it wrote to its standard error.
    ByItself { status: ExitStatus, complaint: String },
    /// It had not ended in time, and was killed with all it started.
    Killed,
}

#[derive(Debug)]
pub(crate) enum CallError {
    Start(io::Error),
    Talk(io::Error),
}

impl Call<'_> {
    /// Runs it and waits for its end, or ends it with all it started. Whoever stops waiting ends it as well.
    pub(crate) async fn make(&self) -> Result<Ended, CallError> {
        let mut child = Command::new(self.run.first().map_or("", String::as_str))
            .args(self.run.iter().skip(1))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            // A group of its own, so that what it starts can be ended with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(CallError::Start)?;
        let mut group = Group(child.id());
        let ended = timeout(self.limit, self.talk(&mut child, &mut group)).await;
        match ended {
            Ok(Ok((status, complaint))) => {
                group.spare();
                Ok(Ended::ByItself { status, complaint })
            }
            Ok(Err(fault)) => Err(CallError::Talk(fault)),
            Err(_) => {
                group.kill();
                // Reaped here; it cannot outlive the signal.
                drop(child.wait().await);
                Ok(Ended::Killed)
            }
        }
    }

    async fn talk(&self, child: &mut Child, group: &mut Group) -> io::Result<(ExitStatus, String)> {
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let tell = async {
            if let Some(mut stdin) = stdin {
                // One that does not read is told all the same.
                drop(stdin.write_all(self.input.as_bytes()).await);
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
        let end = async {
            let status = child.wait().await;
            if self.alone {
                group.kill();
            }
            status
        };
        let ((), complaint, status) = tokio::join!(tell, listen, end);
        Ok((status?, complaint?))
    }
}

/// The process group of a command, killed where nobody waits for its end any more.
struct Group(Option<u32>);

impl Group {
    fn spare(&mut self) {
        self.0 = None;
    }

    fn kill(&mut self) {
        let Some(group) = self.0.take().and_then(|pid| i32::try_from(pid).ok()) else {
            return;
        };
        match killpg(Pid::from_raw(group), Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => tracing::warn!("process group {group} of a command cannot be killed: {errno}"),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
