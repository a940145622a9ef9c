//! Whether the dashboard is what Grafana's own published types say, of each series of Grafana that it is for.
//!
//! The types come from npm by the names, versions and checksums in `schema/package-lock.json`, into the cache; `schema/types.ts`
//! makes them as strict as they can be. The dashboard is compiled as a constant of that type.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::json;

use crate::cache;
use crate::lab::host_tools;

const MANIFEST: &str = include_str!("schema/package.json");
const LOCK: &str = include_str!("schema/package-lock.json");
const TYPES: &str = include_str!("schema/types.ts");
/// Packages in the manifest: one a series of Grafana.
const SERIES: [&str; 3] = ["grafana-10", "grafana-11", "grafana-12"];
/// Program and the Debian package that has it.
const TOOLS: [(&str, &str); 2] = [("node", "nodejs"), ("npm", "npm")];

/// Fails with what the compiler says, which names line and property of the text as it is written here.
pub fn check(dashboard: &str) -> anyhow::Result<()> {
    host_tools::ensure_present("the check of the dashboard", &TOOLS)?;
    let folder = cache::folder("grafana-schema")?;
    let _lock = cache::lock()?;
    install(&folder)?;
    let work = tempfile::tempdir_in(&folder).context("cannot make a folder to compile the dashboard in")?;
    let text =
        format!("import type {{ Checked }} from './types'; export const dashboard: Checked = {dashboard};");
    fs::write(work.path().join("types.ts"), TYPES).context("cannot write types.ts")?;
    fs::write(work.path().join("dashboard.ts"), text).context("cannot write dashboard.ts")?;
    for series in SERIES {
        compile(work.path(), series)?;
    }
    Ok(())
}

/// Fetches what the lock names, unless it is there.
fn install(folder: &Path) -> anyhow::Result<()> {
    let done = folder.join("installed");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == LOCK) {
        return Ok(());
    }
    eprintln!("dashboards: fetching Grafana's types from npm");
    fs::write(folder.join("package.json"), MANIFEST).context("cannot write package.json")?;
    fs::write(folder.join("package-lock.json"), LOCK).context("cannot write package-lock.json")?;
    let output = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder)
        .output()
        .context("cannot start npm")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "npm ci in {}: {}",
        folder.display(),
        errors.trim()
    );
    fs::write(&done, LOCK).with_context(|| format!("cannot write {}", done.display()))
}

fn compile(work: &Path, series: &str) -> anyhow::Result<()> {
    let settings = json!({
        "compilerOptions": {
            "strict": true,
            "noEmit": true,
            "skipLibCheck": true,
            "target": "es2020",
            "module": "esnext",
            "moduleResolution": "bundler",
            "types": [],
            "paths": {
                "@grafana/schema": [format!("../node_modules/{series}")],
                "@grafana/schema/*": [format!("../node_modules/{series}/*")],
            },
        },
        "files": ["dashboard.ts"],
    });
    fs::write(work.join("tsconfig.json"), settings.to_string()).context("cannot write tsconfig.json")?;
    let output = Command::new("node")
        .args(["../node_modules/typescript/bin/tsc", "--project", "tsconfig.json"])
        .current_dir(work)
        .output()
        .context("cannot start node")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "the dashboard is not as {series} wants it:\n{}",
        said.trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_is_in_the_manifest_at_the_version_of_the_lock() {
        let manifest: serde_json::Value = serde_json::from_str(MANIFEST).unwrap();
        let lock: serde_json::Value = serde_json::from_str(LOCK).unwrap();
        for series in SERIES {
            let wanted = manifest["dependencies"][series].as_str().unwrap();
            let package = &lock["packages"][format!("node_modules/{series}")];
            let locked = format!(
                "npm:{}@{}",
                package["name"].as_str().unwrap(),
                package["version"].as_str().unwrap()
            );
            assert_eq!(wanted, locked);
            assert!(package["integrity"].as_str().unwrap().starts_with("sha512-"));
        }
    }
}
