//! The source of rustc's own `core`, which the bpf target needs because no built `core` is distributed for it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::debian;
use super::toolchain::Toolchain;

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
    if !debian::at_hand() {
        bail!("the source of core is missing: run `rustup component add rust-src`");
    }
    eprintln!("fetching rust-src {version} from Debian {SUITE}");
    let package = debian::download(&tools.join("apt"), SUITE, "rust-src", &format!("{version}+"))
        .with_context(|| {
            format!("cannot fetch rust-src {version}; `rustup component add rust-src` is the other way")
        })?;
    debian::unpack(&package, &folder)?;
    fs::remove_file(&package).ok();
    if !library.join("core/Cargo.toml").exists() {
        bail!(
            "{} holds no library source in {}",
            package.display(),
            library.display()
        );
    }
    Ok(Library::Unpacked(library))
}
