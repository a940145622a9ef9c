//! bpf-linker, built against the LLVM inside the pinned toolchain, so that no system LLVM is needed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::toolchain::Toolchain;

/// The version that produced the committed object.
const VERSION: &str = "0.13.0";

/// The path of bpf-linker, built on first use (about a minute).
pub(super) fn ensure(toolchain: &Toolchain, tools: &Path) -> Result<PathBuf> {
    let folder = tools.join(format!("bpf-linker-{VERSION}-rustc-{}", toolchain.version));
    let program = folder.join("bin/bpf-linker");
    if program.exists() {
        return Ok(program);
    }

    // bpf-linker's build looks for `lib/libLLVM.so` under one prefix; rustc's copy carries another name.
    let prefix = tools.join("llvm");
    let library = prefix.join("lib/libLLVM.so");
    fs::create_dir_all(prefix.join("lib")).with_context(|| format!("cannot create {}", prefix.display()))?;
    fs::remove_file(&library).ok();
    symlink(toolchain.llvm_library()?, &library)
        .with_context(|| format!("cannot link {}", library.display()))?;

    eprintln!(
        "building bpf-linker {VERSION} against rustc's LLVM {}",
        toolchain.llvm
    );
    let status = Command::new("cargo")
        .args([
            "install",
            "bpf-linker",
            "--locked",
            "--no-default-features",
            "--version",
            VERSION,
        ])
        .args(["--features", &format!("llvm-{}", toolchain.llvm)])
        .arg("--root")
        .arg(&folder)
        .env("CARGO_TARGET_DIR", tools.join("bpf-linker-build"))
        .env("LLVM_PREFIX", &prefix)
        .env(
            "RUSTFLAGS",
            format!(
                "-C link-arg=-Wl,-rpath,{}",
                toolchain.sysroot.join("lib").display()
            ),
        )
        .status()
        .context("cannot run cargo install")?;
    if !status.success() {
        bail!("building bpf-linker {VERSION} failed ({status})");
    }
    fs::remove_dir_all(tools.join("bpf-linker-build")).ok();
    Ok(program)
}
