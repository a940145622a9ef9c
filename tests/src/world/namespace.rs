//! One network namespace, held by a file descriptor alone.
//!
//! Owns entering it. A thread enters for good; `within` uses a thread of its own, so the caller stays where it is.
//! A child started inside inherits the namespace of the thread that starts it.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace that lives as long as this value, or as long as a thread or process is inside.
#[derive(Debug)]
pub struct Namespace {
    file: File,
}

impl Namespace {
    /// A fresh, empty network namespace.
    pub fn create() -> Result<Self> {
        let file = thread::spawn(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)
                .context("cannot create a network namespace: run as root (CAP_SYS_ADMIN)")?;
            File::open("/proc/thread-self/ns/net")
                .context("cannot open /proc/thread-self/ns/net: mount /proc")
        })
        .join()
        .expect("the thread that creates a namespace does not panic")?;
        Ok(Self { file })
    }

    /// Moves the calling thread into the namespace, for good.
    pub fn enter(&self) -> Result<()> {
        setns(&self.file, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace: run as root")
    }

    /// Runs `work` inside and returns its result.
    ///
    /// # Panics
    /// If `work` panics, or the namespace cannot be entered although it was created by this process.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter().expect("a namespace of this process can be entered");
                work()
            });
            inside.join().expect("work inside a namespace does not panic")
        })
    }

    /// Where other programs of this machine find the namespace while it lives.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            self.file.as_raw_fd()
        ))
    }

    /// Gives it a name, as `ip netns add` does; the name lives as long as this scenario's mounts.
    pub fn give_name(&self, name: &str) -> Result<()> {
        let named = Path::new("/run/netns").join(name);
        fs::create_dir_all("/run/netns").context("cannot make /run/netns")?;
        File::create(&named).with_context(|| format!("cannot make {}", named.display()))?;
        mount(
            Some(&self.path()),
            &named,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )
        .with_context(|| format!("cannot mount a network namespace on {}", named.display()))
    }

    /// A second handle on the same namespace.
    pub fn share(&self) -> Result<Self> {
        Ok(Self {
            file: self
                .file
                .try_clone()
                .context("cannot duplicate a namespace's file descriptor")?,
        })
    }
}
