//! What the pinned rustc says about itself: version, sysroot, and the LLVM it carries.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

pub(super) struct Toolchain {
    /// For example `1.95.0`.
    pub version: String,
    pub sysroot: PathBuf,
    /// The major version of rustc's LLVM, for example 22.
    pub llvm: u32,
}

impl Toolchain {
    /// Asks the rustc that `rust-toolchain.toml` in `root` selects.
    pub(super) fn of(root: &Path) -> Result<Self> {
        let verbose = ask(root, &["-vV"])?;
        let field = |name: &str| {
            verbose
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
                .with_context(|| format!("`rustc -vV` does not tell its {name}"))
        };
        let version = field("release:")?;
        let llvm = field("LLVM version:")?;
        let llvm = llvm
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .with_context(|| format!("`{llvm}` is not an LLVM version"))?;
        let sysroot = PathBuf::from(ask(root, &["--print", "sysroot"])?.trim());
        Ok(Self {
            version,
            sysroot,
            llvm,
        })
    }

    /// The shared LLVM library that rustc itself runs on.
    pub(super) fn llvm_library(&self) -> Result<PathBuf> {
        let folder = self.sysroot.join("lib");
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            let named = path
                .file_name()
                .and_then(OsStr::to_str)
                .is_some_and(|name| name.starts_with("libLLVM.so."));
            if named {
                return Ok(path);
            }
        }
        bail!(
            "{} holds no libLLVM.so.*: bpf-linker needs the LLVM that rustc uses",
            folder.display()
        )
    }
}

fn ask(root: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("rustc")
        .args(args)
        .current_dir(root)
        .output()
        .context("cannot run rustc")?;
    if !output.status.success() {
        bail!(
            "rustc {} failed: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).context("rustc printed something that is not text")
}
