//! A system with systemd on the director: its first process, in namespaces of its own, over the guest's files.
//!
//! Owns starting it and running commands in it. What is written there stays in memory and goes with it; the guest's own
//! files are never changed. Its units are those of Debian's package, less what looks after disks. A scenario that starts one
//! names `systemd` and `util-linux/nsenter` among its programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::clock;
use crate::process::{self, Process};
use crate::world::Machine;

const MANAGER: &str = "/usr/lib/systemd/systemd";
/// Where `systemctl` reaches it.
const SOCKET: &str = "run/systemd/private";
/// Where its root is put together.
const FOLDER: &str = "/run/system";
const START_LIMIT: Duration = Duration::from_mins(2);

/// A running system; dropping it ends all that runs in it.
#[derive(Debug)]
pub struct System<'world> {
    director: &'world Machine,
    manager: Process,
}

impl<'world> System<'world> {
    /// Starts it and waits until it is up.
    pub fn boot(director: &'world Machine) -> Result<Self> {
        // A thread of its own enters the namespaces, and is gone when the manager runs.
        let manager = director.within(|| {
            move_in().context("cannot prepare a system's files")?;
            let mut command = Command::new(MANAGER);
            command
                .args(["--system", "--log-target=console", "--show-status=no"])
                .args(["--unit=basic.target"])
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin")
                .env("container", "lab")
                .stdin(Stdio::null());
            Process::start(&mut command)
        })?;
        let system = Self { director, manager };
        let deadline = clock::now() + START_LIMIT;
        while !system.root().join(SOCKET).exists() {
            ensure!(
                !system.manager.await_end(Duration::from_millis(100))?,
                "systemd ended at its start; the console's log has its words"
            );
            ensure!(
                clock::now() < deadline,
                "systemd was not up within {START_LIMIT:?}; the console's log has its words"
            );
        }
        // Says how it is; a unit of no matter here may have failed.
        let state = system.output(&["systemctl", "is-system-running", "--wait"])?;
        let said = String::from_utf8_lossy(&state.stdout).trim().to_owned();
        match said.as_str() {
            "running" | "degraded" => Ok(system),
            _ => bail!(
                "systemd came up as `{said}` {}",
                String::from_utf8_lossy(&state.stderr)
            ),
        }
    }

    /// Its root folder, as seen from outside.
    pub fn root(&self) -> PathBuf {
        Path::new("/proc")
            .join(self.manager.pid().to_string())
            .join("root")
    }

    /// A command in it, not started yet.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.manager.pid()))
            .args(["--mount", "--pid", "--cgroup", "--net", "--uts", "--ipc"])
            .args(["--root", "--wd", "--"])
            .args(words)
            .env("SYSTEMD_COLORS", "0")
            .env("SYSTEMD_PAGER", "");
        command
    }

    /// Runs a command in it to its end, whatever that is.
    pub fn output(&self, words: &[&str]) -> Result<Output> {
        process::output(&mut self.command(words), "")
    }

    /// Starts a command in it, as the director's own.
    pub fn start(&self, words: &[&str]) -> Result<Process> {
        let mut command = self.command(words);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.director.start(&mut command)
    }
}

/// Leaves the guest's files for a view of them that can be written to, for the calling thread and its children.
fn move_in() -> Result<()> {
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWCGROUP
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC,
    )
    .context("cannot make namespaces (unshare)")?;
    let folder = Path::new(FOLDER);
    put("tmpfs", folder, "")?;
    let [changes, work, root] = ["changes", "work", "root"].map(|name| folder.join(name));
    for path in [&changes, &work, &root] {
        fs::create_dir(path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    let layers = format!(
        "lowerdir=/,upperdir={},workdir={}",
        changes.display(),
        work.display()
    );
    put("overlay", &root, &layers)?;
    put("sysfs", &root.join("sys"), "")?;
    // As systemd mounts it where it is the first process of a machine.
    put("bpf", &root.join("sys/fs/bpf"), "mode=700")?;
    let devices = root.join("dev");
    mount(
        Some("/dev"),
        &devices,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .context("cannot bind /dev")?;
    std::env::set_current_dir(&root).context("cannot enter the new root")?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .context("cannot move the new root")?;
    nix::unistd::chroot(".").context("cannot take the new root")
}

fn put(kind: &str, target: &Path, options: &str) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
    mount(Some(kind), target, Some(kind), MsFlags::empty(), Some(options))
        .with_context(|| format!("cannot mount {kind} on {}", target.display()))
}
