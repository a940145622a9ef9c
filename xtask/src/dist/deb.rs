//! The Debian package of a tree: what dpkg wants to know of it, and the scripts that dpkg runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::contents::{self, BINARY, CONFIGURATION};
use super::{VERSION, needs, run_for};
use crate::cache;

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
/// Makes the user and the groups.
const SYSUSERS: &str = "systemd | systemd-standalone-sysusers | systemd-sysusers";

/// Packs the tree into `folder`. The tree gets a folder `DEBIAN` more.
pub fn pack(tree: &Path, folder: &Path, moment: &str) -> anyhow::Result<PathBuf> {
    let architecture = run_for(Command::new("dpkg").arg("--print-architecture"))
        .context("a Debian package needs dpkg, as on Debian")?;
    let architecture = architecture.trim();
    let binary = fs::read(tree.join(BINARY)).context("cannot read the binary of the package")?;
    let depends = needs::packages(&binary)?;
    let files = contents::files(tree)?;
    let sums = run_for(Command::new("md5sum").args(&files).current_dir(tree))?;

    let debian = tree.join("DEBIAN");
    contents::write(
        &debian.join("control"),
        &control(architecture, &depends, kibibytes(tree, &files)?),
    )?;
    contents::write(&debian.join("conffiles"), &format!("/{CONFIGURATION}\n"))?;
    contents::write(&debian.join("md5sums"), &sums)?;
    for script in SCRIPTS {
        let from = cache::workspace().join("packaging/debian").join(script);
        let text = fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
        contents::write(&debian.join(script), &text)?;
        fs::set_permissions(debian.join(script), Permissions::from_mode(0o755))
            .with_context(|| format!("cannot set the mode of {script}"))?;
    }
    let package = folder.join(format!("ipvsdrain_{VERSION}_{architecture}.deb"));
    let unfinished = tree.with_extension("deb");
    let mut command = Command::new("dpkg-deb");
    // Debian 12 reads xz, and the number of threads shows in it.
    command
        .args(["--root-owner-group", "-Zxz", "--threads-max=1", "--build"])
        .args([tree, &unfinished])
        .env("SOURCE_DATE_EPOCH", moment);
    run_for(&mut command)?;
    // A file of that name is always whole.
    fs::rename(&unfinished, &package).with_context(|| format!("cannot rename to {}", package.display()))?;
    Ok(package)
}

fn control(architecture: &str, depends: &[String], kibibytes: u64) -> String {
    format!(
        "Package: ipvsdrain\n\
         Version: {VERSION}\n\
         Architecture: {architecture}\n\
         Maintainer: The ipvsdrain developers <ipvsdrain@users.noreply.github.com>\n\
         Installed-Size: {kibibytes}\n\
         Depends: {}, {SYSUSERS}\n\
         Section: net\n\
         Priority: optional\n\
         Homepage: https://github.com/ipvsdrain/ipvsdrain\n\
         Description: takes a real server out of IPVS without losing a packet\n \
         A daemon and its command line for Linux load balancers (LVS/IPVS). It sets the\n \
         weight of a real server to 0, watches with an eBPF probe until no flow is\n \
         forwarded to it any more, removes it, and counts what that cost.\n \
         .\n \
         Installing it enables and starts nothing.\n",
        depends.join(", ")
    )
}

/// As dpkg counts: each file in whole KiB.
fn kibibytes(tree: &Path, files: &[PathBuf]) -> anyhow::Result<u64> {
    let mut sum = 0;
    for file in files {
        let data =
            fs::metadata(tree.join(file)).with_context(|| format!("cannot look at {}", file.display()))?;
        sum += data.len().div_ceil(1024);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_says_what_dpkg_wants_to_know() {
        let text = control("amd64", &["libc6 (>= 2.34)".to_owned()], 7);
        for line in [
            "Package: ipvsdrain",
            "Architecture: amd64",
            "Installed-Size: 7",
            "Depends: libc6 (>= 2.34), systemd | systemd-standalone-sysusers | systemd-sysusers",
            " .",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "no line `{line}`: {text}"
            );
        }
        assert!(!text.contains("Recommends"));
    }

    #[test]
    fn dpkg_reads_what_was_packed_and_the_same_tree_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let mut packages = Vec::new();
        for name in ["one", "two"] {
            let tree = folder.path().join(name);
            for path in [BINARY, CONFIGURATION] {
                fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
            }
            fs::copy(std::env::current_exe().unwrap(), tree.join(BINARY)).unwrap();
            fs::write(tree.join(CONFIGURATION), "").unwrap();
            let into = folder.path().join(format!("{name}-packed"));
            fs::create_dir(&into).unwrap();
            packages.push(pack(&tree, &into, "1700000000").unwrap());
        }
        let listed = run_for(Command::new("dpkg-deb").arg("--contents").arg(&packages[0])).unwrap();
        assert!(
            listed.contains("root/root")
                && listed.contains("2023-11-14")
                && listed.contains("./usr/bin/ipvsdrain"),
            "{listed}"
        );
        let about = run_for(Command::new("dpkg-deb").arg("--info").arg(&packages[0])).unwrap();
        assert!(
            about.contains("conffiles") && about.contains("Depends: libc6 (>="),
            "{about}"
        );
        assert_eq!(fs::read(&packages[0]).unwrap(), fs::read(&packages[1]).unwrap());
    }
}
