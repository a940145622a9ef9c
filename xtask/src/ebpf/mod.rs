//! `cargo xtask ebpf [--check]`: the programs' source becomes the committed object that the daemon embeds.
//!
//! Owns the three steps (tools, build, compare) and where their results lie. It never touches the machine's own
//! toolchain or package state: what is missing is fetched into a cache folder.

mod bpf_linker;
mod build;
mod rust_src;
mod toolchain;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::cache;

/// The committed object, relative to the workspace.
pub const OBJECT: &str = "ipvsdrain/src/observe/programs.bpf.o";

/// Builds the object and writes it to its committed place; with `check`, compares instead and fails if they differ.
pub fn run(check: bool) -> Result<()> {
    let root = cache::workspace();
    let tools = cache::folder("ebpf-tools")?;

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
