//! `cargo xtask ebpf [--check]`: the programs' source becomes the committed object that the daemon embeds.
//!
//! Owns the three steps (tools, build, compare) and where their results lie. It never touches the machine's own
//! toolchain or package state: what is missing is fetched into a cache folder.

mod bpf_linker;
mod build;
mod debian;
mod rust_src;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The committed object, relative to the workspace.
const OBJECT: &str = "ipvsdrain/src/observe/programs.bpf.o";

/// Builds the object and writes it to its committed place; with `check`, compares instead and fails if they differ.
pub fn run(check: bool) -> Result<()> {
    let root = workspace_root()?;
    let tools = tools_folder(&root);
    fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;

    let toolchain = toolchain::Toolchain::of(&root)?;
    let library = rust_src::ensure(&toolchain, &tools)?;
    let linker = bpf_linker::ensure(&toolchain, &tools)?;
    let built = build::object(&root, &toolchain, &library, &linker)?;

    let fresh = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let committed = root.join(OBJECT);
    let before = fs::read(&committed).unwrap_or_default();
    if fresh == before {
        println!("{OBJECT} is up to date ({} bytes)", fresh.len());
        return Ok(());
    }
    if check {
        bail!(
            "{OBJECT} does not come from this source: it has {} bytes, a fresh build {}. Run `cargo xtask ebpf` \
             and commit the result",
            before.len(),
            fresh.len()
        );
    }
    fs::write(&committed, &fresh).with_context(|| format!("cannot write {}", committed.display()))?;
    println!("{OBJECT} written ({} bytes)", fresh.len());
    Ok(())
}

/// The folder above this crate.
fn workspace_root() -> Result<PathBuf> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask ebpf`")?;
    Path::new(&here)
        .parent()
        .map(Path::to_owned)
        .context("the xtask crate has no parent folder")
}

/// Where fetched tools are kept: `$IPVSDRAIN_CACHE/ebpf-tools`, else `target/ebpf-tools`.
fn tools_folder(root: &Path) -> PathBuf {
    std::env::var_os("IPVSDRAIN_CACHE")
        .map_or_else(|| root.join("target"), PathBuf::from)
        .join("ebpf-tools")
}
