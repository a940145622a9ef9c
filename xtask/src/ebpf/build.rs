//! The build itself: same bytes from any folder, any cargo home, any user.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::rust_src::Library;
use super::toolchain::Toolchain;

const TARGET: &str = "bpfel-unknown-none";
const PROGRAMS: &str = "ipvsdrain-programs";

/// The machine the kernel side runs on; a kprobe's arguments lie in registers, which differ per architecture.
const KERNEL_ARCH: &str = "x86_64";

/// Builds the programs and returns the object's path.
pub(super) fn object(
    root: &Path,
    toolchain: &Toolchain,
    library: &Library,
    linker: &Path,
) -> Result<PathBuf> {
    let target_dir = root.join("target/ebpf");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root)
        .args(["build", "--quiet", "--release", "--locked"])
        .args([
            "--package",
            "ipvsdrain-ebpf",
            "--bin",
            PROGRAMS,
            "--features",
            "programs",
        ])
        .args(["--target", TARGET, "-Zbuild-std=core", "--target-dir"])
        .arg(&target_dir)
        // Stable rustc takes -Z only with this; the pinned version keeps it from meaning something else tomorrow.
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags(root, toolchain, library, linker)?.join("\u{1f}"),
        )
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("RUSTFLAGS");
    if let Library::Unpacked(folder) = library {
        cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", folder);
    }
    let status = cargo.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("building the eBPF programs failed ({status})");
    }
    Ok(target_dir.join(TARGET).join("release").join(PROGRAMS))
}

fn flags(root: &Path, toolchain: &Toolchain, library: &Library, linker: &Path) -> Result<Vec<String>> {
    let cargo_home = match std::env::var_os("CARGO_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?)
            .join(".cargo"),
    };
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    Ok(vec![
        format!("--cfg=bpf_target_arch=\"{KERNEL_ARCH}\""),
        format!("-Clinker={}", linker.display()),
        // v3: atomics that return the old value, as the accounting needs (kernel 5.12 and later).
        "-Ctarget-cpu=v3".to_owned(),
        // Without this, memcpy and the like are in the object whether used or not, in an order that depends on paths.
        "-Clink-arg=--disable-memory-builtins".to_owned(),
        "-Cdebuginfo=0".to_owned(),
        "-Cstrip=none".to_owned(),
        remap(&cargo_home, "cargo"),
        remap(&toolchain.sysroot, "rust"),
        remap(root, "ipvsdrain"),
        remap(library.folder(), "library"),
    ])
}
