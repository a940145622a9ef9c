//! Programs that must be installed on this machine, the lab's among them, and how to get them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Program and the Debian package that has it.
const TOOLS: [(&str, &str); 1] = [("qemu-system-x86_64", "qemu-system-x86")];

/// Makes sure that all that the lab needs is there.
pub fn ensure_present() -> anyhow::Result<()> {
    ensure_installed("the lab", &TOOLS)
}

/// Makes sure that every program is there, each given with its package: installs it as root, else says what to install.
pub fn ensure_installed(whom: &str, tools: &[(&str, &str)]) -> anyhow::Result<()> {
    let packages: Vec<_> = tools
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if packages.is_empty() {
        return Ok(());
    }
    let remedy = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    ensure!(
        nix::unistd::geteuid().is_root(),
        "{whom} needs more programs on this machine. As root: {remedy}"
    );
    eprintln!("{whom}: installing {}", packages.join(", "));
    apt_get(&["update"])?;
    apt_get(&[&["install", "--yes", "--no-install-recommends"], &packages[..]].concat())?;
    for (program, package) in tools {
        ensure!(
            find(program).is_some(),
            "{package} is installed, but {program} is not on PATH"
        );
    }
    Ok(())
}

/// Where this program is on `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    // Standard output belongs to the verb's result.
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("cannot start apt-get")?;
    ensure!(
        output.status.success(),
        "apt-get {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
