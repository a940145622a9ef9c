//! The source of rustc's own `core`, which the bpf target needs because no built `core` is distributed for it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::toolchain::Toolchain;
use crate::cache;
use crate::debian::Suite;

/// The Debian suite that carries the pinned version.
const SUITE: &str = "trixie-backports";

/// Where the library source lies.
pub(super) enum Library {
    /// In the sysroot: cargo finds it by itself.
    Component(PathBuf),
    /// Unpacked elsewhere: cargo has to be told.
    Unpacked(PathBuf),
}

impl Library {
    pub(super) fn folder(&self) -> &Path {
        match self {
            Library::Component(folder) | Library::Unpacked(folder) => folder,
        }
    }
}

/// Takes rustup's component if the sysroot has it, else Debian's package of exactly rustc's version.
pub(super) fn ensure(toolchain: &Toolchain, tools: &Path) -> Result<Library> {
    let component = toolchain.sysroot.join("lib/rustlib/src/rust/library");
    if component.join("core/Cargo.toml").exists() {
        return Ok(Library::Component(component));
    }
    let version = &toolchain.version;
    let folder = tools.join(format!("rust-src-{version}"));
    let library = folder.join(format!("usr/src/rustc-{version}/library"));
    if library.join("core/Cargo.toml").exists() {
        return Ok(Library::Unpacked(library));
    }
    eprintln!("ebpf: fetching rust-src {version} from Debian {SUITE}");
    let _lock = cache::lock()?;
    Suite::open(SUITE)?
        .unpack_version("rust-src", &format!("{version}+"), &folder)
        .with_context(|| {
            format!("cannot fetch rust-src {version}; `rustup component add rust-src` is the other way")
        })?;
    if !library.join("core/Cargo.toml").exists() {
        bail!(
            "Debian's rust-src {version} holds no library source in {}",
            library.display()
        );
    }
    Ok(Library::Unpacked(library))
}
