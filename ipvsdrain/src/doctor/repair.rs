//! The repairs: what is safe, can be undone with one command, and changes nobody's traffic. Each says what it did.
//!
//! Sysctls are none of them: they hold for the whole host, for good, and are an operator's to set.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};

use super::facts::{Facts, Folder, IpVs};
use super::gather::BPF_FOLDER;

/// Something that was tried: done, or why not.
pub type Repair = Result<String, String>;

/// Mends what can be mended of these facts.
pub fn repair(facts: &Facts) -> Vec<Repair> {
    let mut done = Vec::new();
    if facts.ip_vs == IpVs::NotLoaded {
        done.push(load_ip_vs());
    }
    if matches!(facts.bpf, Folder::Missing | Folder::Other) {
        done.push(mount_bpf());
    }
    if facts.state == Folder::Missing {
        done.push(make_state(facts));
    }
    done
}

fn load_ip_vs() -> Repair {
    let output = Command::new("modprobe").arg("ip_vs").output();
    match output {
        Ok(output) if output.status.success() => {
            Ok("loaded ip_vs: `modprobe ip_vs` (undo: `modprobe -r ip_vs`)".to_owned())
        }
        Ok(output) => Err(format!(
            "`modprobe ip_vs`: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("`modprobe ip_vs` cannot be started: {error}")),
    }
}

fn mount_bpf() -> Repair {
    let options = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), BPF_FOLDER, Some("bpf"), options, Some("mode=700"))
        .map(|()| format!("mounted a bpf file system on {BPF_FOLDER} (undo: `umount {BPF_FOLDER}`)"))
        .map_err(|error| format!("mount a bpf file system on {BPF_FOLDER}: {error}"))
}

fn make_state(facts: &Facts) -> Repair {
    let path = facts.state_path.as_path();
    let parents = path.parent().map_or(Ok(()), fs::create_dir_all);
    parents
        .and_then(|()| DirBuilder::new().mode(0o750).create(path))
        .map(|()| format!("made {0} with mode 750 (undo: `rmdir {0}`)", path.display()))
        .map_err(|error| format!("make the folder {}: {error}", path.display()))
}
