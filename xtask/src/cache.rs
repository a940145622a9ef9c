//! Where downloads and tools are kept: `$IPVSDRAIN_CACHE`, else `target/cache` of this workspace.
//!
//! Several clones may share one cache: whoever changes it holds its lock.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::fcntl::{Flock, FlockArg};

/// The root folder of this workspace.
pub fn workspace() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// The folder of this name in the cache, made if it was not there.
pub fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let root = match std::env::var_os("IPVSDRAIN_CACHE") {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        _ => workspace().join("target/cache"),
    };
    make(root.join(name))
}

/// Where logs and images of this workspace's own boots go.
pub fn boots() -> anyhow::Result<PathBuf> {
    make(workspace().join("target/lab/boots"))
}

fn make(path: PathBuf) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
    Ok(path)
}

/// Waits until nobody else changes the cache, and keeps others out until dropped.
pub fn lock() -> anyhow::Result<Flock<File>> {
    let path = folder("")?.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_file, errno)| errno)
        .with_context(|| format!("cannot lock {}", path.display()))
}
