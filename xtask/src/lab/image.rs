//! What lies where in the guest: packs our binaries, programs, libraries, modules and the request
//! into one initramfs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::binaries::{self, Binaries};
use super::cpio::Archive;
use super::kernel::Kernel;
use super::libraries::{GUEST_FOLDER, LOADER, is_elf};
use super::modules;
use super::programs::{ProgramFile, Programs};
use super::protocol::{REQUEST_PATH, Request};

/// A file of this machine for the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    pub from: PathBuf,
    /// Its absolute path in the guest.
    pub to: String,
}

/// Small files that programs expect on any system.
const SYSTEM_FILES: [(&str, &str); 6] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    ),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files\nprotocols: files\nservices: files\n",
    ),
    ("etc/protocols", "icmp 1\ntcp 6\nudp 17\nipv6-icmp 58\nsctp 132\n"),
    ("etc/services", ""),
];

/// The whole initramfs.
pub fn pack(
    kernel: &Kernel,
    binaries: &Binaries,
    programs: &Programs,
    request: &Request,
    copies: &[Copied],
) -> anyhow::Result<Vec<u8>> {
    let mut archive = Archive::default();
    for (link, target) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/sbin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
    ] {
        archive.folder(target);
        archive.link(link, target);
    }
    for folder in ["proc", "sys", "dev", "run", "tmp", "var/lib", "var/log", "etc"] {
        archive.folder(folder);
    }
    archive.device("dev/console", 5, 1);
    archive.device("dev/null", 1, 3);
    for (path, content) in SYSTEM_FILES {
        archive.file(path, content.as_bytes());
    }
    let mut libraries = BTreeSet::from(["libgcc_s.so.1".to_owned()]);
    put_programs(&mut archive, programs, &mut libraries)?;
    for (path, binary) in [
        ("usr/bin/ipvsdrain-lab", &binaries.lab),
        ("usr/bin/ipvsdrain", &binaries.ipvsdrain),
    ] {
        let content = binaries::stripped(binary)?;
        libraries.extend(programs.libraries.needed_by(&content)?);
        archive.program(path, &content);
    }
    archive.link("init", "usr/bin/ipvsdrain-lab");
    for copy in copies {
        put_copy(&mut archive, copy, programs, &mut libraries)?;
    }
    for name in libraries.iter().filter(|name| *name != LOADER) {
        archive.program(
            &format!("{GUEST_FOLDER}/{name}"),
            &read(programs.libraries.path(name)?)?,
        );
    }
    archive.program(
        &format!("usr/lib64/{LOADER}"),
        &read(programs.libraries.path(LOADER)?)?,
    );
    let modules = modules::select(kernel, programs)?;
    put_tree(
        &mut archive,
        &modules,
        &format!("usr/lib/modules/{}", kernel.release),
    )?;
    let request = serde_json::to_vec(request).context("cannot write the request")?;
    archive.file(REQUEST_PATH, &request);
    Ok(archive.finish())
}

fn put_programs(
    archive: &mut Archive,
    programs: &Programs,
    libraries: &mut BTreeSet<String>,
) -> anyhow::Result<()> {
    let mut names = BTreeSet::from(["sh".to_owned()]);
    for (path, file) in &programs.files {
        names.extend(path.rsplit('/').next().map(str::to_owned));
        match file {
            ProgramFile::Link(target) => archive.link(path, target),
            ProgramFile::Copy(from) => {
                let content = read(from)?;
                if is_elf(&content) {
                    let needed = programs.libraries.needed_by(&content);
                    libraries.extend(needed.with_context(|| format!("for /{path} of the guest"))?);
                }
                archive.program(path, &content);
            }
        }
    }
    archive.link("usr/bin/sh", "dash");
    // Busybox stands in for what no real program does, so that it never hides one.
    for applet in programs
        .busybox_applets()?
        .iter()
        .filter(|applet| !names.contains(*applet))
    {
        archive.link(&format!("usr/bin/{applet}"), "busybox");
    }
    Ok(())
}

fn put_copy(
    archive: &mut Archive,
    copy: &Copied,
    programs: &Programs,
    libraries: &mut BTreeSet<String>,
) -> anyhow::Result<()> {
    if copy.from.is_dir() {
        return put_tree(archive, &copy.from, copy.to.trim_start_matches('/'));
    }
    let content = read(&copy.from)?;
    if is_elf(&content) {
        // An eBPF object is ELF too, and needs nothing.
        libraries.extend(programs.libraries.needed_by(&content)?);
    }
    archive.program(&copy.to, &content);
    Ok(())
}

fn put_tree(archive: &mut Archive, from: &Path, to: &str) -> anyhow::Result<()> {
    archive.folder(to);
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    let mut paths = entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    paths.sort();
    for path in paths {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            bail!("{} has no name", path.display());
        };
        let to = format!("{to}/{name}");
        if path.is_dir() {
            put_tree(archive, &path, &to)?;
        } else {
            archive.file(&to, &read(&path)?);
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
