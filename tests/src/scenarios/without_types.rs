//! Kernels that do not describe `ip_vs` (5.10): there the observer can only refuse, and has to say why.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ipvsdrain::observe::{Observer, Sources};
use serde_json::{Value, json};

/// On such a kernel, what the observer said, as a scenario's whole result; `None` on all others.
pub(super) fn refusal() -> Result<Option<Value>> {
    if Path::new("/sys/kernel/btf/ip_vs").exists() {
        return Ok(None);
    }
    let refused = Observer::prepare(&Sources::default()).err();
    let said = refused
        .context("the observer found types that are not there")?
        .to_string();
    ensure!(
        said.contains("CONFIG_DEBUG_INFO_BTF_MODULES"),
        "it does not say what is missing: {said}"
    );
    Ok(Some(json!({"refused": said})))
}
