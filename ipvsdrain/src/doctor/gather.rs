//! Collects the facts: files of `/proc` and `/sys`, the table over netlink, the daemon's socket. Judges nothing and changes
//! nothing; what could be loaded by being asked for is not asked.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::statfs::{FsType, statfs};
use nix::unistd::{AccessFlags, access};

use super::facts::{Asked, Daemon, Facts, Folder, IpVs, Observing, ServiceFact};
use crate::api::client::Client;
use crate::clock;
use crate::drain::{Changes, Rules, Scheduler};
use crate::ipvs::{Ipvs, ServiceFlags};
use crate::observe;
use crate::supervise::at_zero;

pub(super) const BPF_FOLDER: &str = "/sys/fs/bpf";
const MODULE: &str = "/sys/module/ip_vs";
/// Also there where ip_vs is part of the kernel.
const TABLE: &str = "/proc/net/ip_vs";
const SETTINGS: &str = "/proc/sys/net/ipv4/vs";
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";
const BPF_MAGIC: FsType = FsType(0xcafe_4a11);

/// What a daemon uses, by bit of `include/uapi/linux/capability.h`.
const CAPABILITIES: [(&str, u32); 5] = [
    ("CAP_NET_ADMIN", 12),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_SYSLOG", 34),
    ("CAP_PERFMON", 38),
    ("CAP_BPF", 39),
];

/// Programs that are known to write the IPVS table.
const CONTROLLERS: [&str; 8] = [
    "keepalived",
    "ldirectord",
    "kube-proxy",
    "kube-router",
    "pybal",
    "liberica",
    "dockerd",
    "seesaw_engine",
];

/// Looks at everything once.
pub async fn gather(asked: &Asked) -> Facts {
    let ip_vs = if Path::new(MODULE).exists() || Path::new(TABLE).exists() {
        IpVs::Loaded
    } else {
        IpVs::NotLoaded
    };
    let table = match ip_vs {
        IpVs::Loaded => services(&asked.rules).await,
        // Asking by netlink would load it.
        IpVs::NotLoaded => Err("ip_vs is not loaded".to_owned()),
    };
    let outlook = observe::outlook();
    Facts {
        kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(|error| error),
        ip_vs,
        table,
        observing: Observing {
            rights: outlook.rights.map_err(|error| error.to_string()),
            fentry: matches!(outlook.layout, Ok(true)),
            layout: outlook.layout.map(drop).map_err(|error| error.to_string()),
            lower_rung: outlook.lower_rung,
            kprobes: outlook.kprobes,
        },
        missing_capabilities: missing_capabilities(),
        bpf: bpf_folder(Path::new(BPF_FOLDER)),
        perf_event_paranoid: read(PARANOID).ok().and_then(|text| text.parse().ok()),
        settings: settings(Path::new(SETTINGS)),
        state_path: asked.state.clone(),
        state: folder(&asked.state),
        daemon: daemon(&asked.socket).await,
        controllers: controllers(),
        boot_id: clock::boot_id().map_err(|error| error.to_string()),
        now_unix: clock::now_unix(),
        policy: asked.rules.base().unwrap_or_default(),
        shadow: asked.rules.shadow,
    }
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .map_err(|error| format!("{path} cannot be read: {error}"))
}

/// `None` where that cannot be learned.
fn missing_capabilities() -> Option<Vec<&'static str>> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let effective = observe::effective_capabilities(&status)?;
    let lacks = |bit: &u32| effective & (1 << bit) == 0;
    let missing = CAPABILITIES.iter().filter(|(_, bit)| lacks(bit));
    Some(missing.map(|(name, _)| *name).collect())
}

async fn services(rules: &Rules) -> Result<Vec<ServiceFact>, String> {
    let ipvs = Ipvs::connect().await.map_err(|error| error.to_string())?;
    let found = ipvs.services().await.map_err(|error| error.to_string())?;
    let facts = found.into_iter().map(|service| ServiceFact {
        name: service.identity.to_string(),
        scheduler: Scheduler {
            at_zero: at_zero(&service),
            name: service.scheduler,
        },
        policy: rules
            .policy(&service.identity, &Changes::default())
            .unwrap_or_default(),
        persistent: service.flags.contains(ServiceFlags::PERSISTENT),
    });
    Ok(facts.collect())
}

async fn daemon(socket: &Path) -> Daemon {
    match Client::new(socket).status().await {
        Ok(status) => Daemon::Answers {
            journal_fault: status.journal.fault,
        },
        Err(error) => Daemon::Silent(error.to_string()),
    }
}

fn settings(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let value = fs::read_to_string(entry.path()).ok()?;
            Some((name, value.trim().to_owned()))
        })
        .collect()
}

fn bpf_folder(path: &Path) -> Folder {
    match statfs(path) {
        Err(_) => Folder::Missing,
        Ok(found) if found.filesystem_type() != BPF_MAGIC => Folder::Other,
        Ok(_) => folder(path),
    }
}

fn folder(path: &Path) -> Folder {
    let Ok(found) = fs::metadata(path) else {
        return Folder::Missing;
    };
    if !found.is_dir() {
        return Folder::Other;
    }
    if access(path, AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        return Folder::ReadOnly;
    }
    let free_bytes = statfs(path).map_or(0, |at| {
        at.blocks_available()
            .saturating_mul(at.block_size().unsigned_abs())
    });
    Folder::Writable {
        free_bytes,
        open: found.permissions().mode() & 0o022 != 0,
    }
}

fn controllers() -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| CONTROLLERS.contains(&name.as_str()))
        .collect();
    found.sort();
    found.dedup();
    found
}
