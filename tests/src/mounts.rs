//! The file systems that scenarios rely on, and the order to mount them in.

use std::fs;

use anyhow::Context;
use nix::mount::{MsFlags, mount};

/// Kind and place. What the whole guest has once.
pub const ONCE: &[(&str, &str)] = &[
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/run"),
    ("tmpfs", "/tmp"),
    ("bpf", "/sys/fs/bpf"),
    ("debugfs", "/sys/kernel/debug"),
    ("tracefs", "/sys/kernel/tracing"),
];

/// What each scenario has anew: views of its own processes and network, and places for its own
/// namespaces (`/run/netns`), sockets and pinned maps.
pub const PER_SCENARIO: &[(&str, &str)] = &[
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("tmpfs", "/run"),
    ("bpf", "/sys/fs/bpf"),
    ("debugfs", "/sys/kernel/debug"),
    ("tracefs", "/sys/kernel/tracing"),
];

/// Mounts these, making folders where they are missing.
pub fn mount_all(list: &[(&str, &str)]) -> anyhow::Result<()> {
    for (kind, target) in list {
        fs::create_dir_all(target).with_context(|| format!("cannot make {target}"))?;
        mount(Some(*kind), *target, Some(*kind), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("cannot mount {kind} on {target}"))?;
    }
    Ok(())
}
