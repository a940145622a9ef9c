//! What promtool says of the rules, of their tests, and of every query of the dashboard.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::json;

use super::queries::Query;
use crate::promtool;

/// Rules that parse and whose names and templates are good, and tests of them that hold.
pub fn check(folder: &Path) -> anyhow::Result<()> {
    run(&["check", "rules"], &files(folder)?)?;
    run(&["test", "rules"], &files(&folder.join("tests"))?)
}

/// Whether all of these are expressions. Only a rule is judged without a server, so each becomes one.
pub fn parse(queries: &[Query]) -> anyhow::Result<()> {
    let rules = queries.iter().enumerate();
    let rules: Vec<_> = rules
        .map(|(number, query)| json!({"record": format!("query:{number}"), "expr": query.expr}))
        .collect();
    // JSON is YAML.
    let file = json!({"groups": [{"name": "queries", "rules": rules}]});
    let folder = tempfile::tempdir().context("cannot make a folder for the queries")?;
    let path = folder.path().join("queries.yml");
    fs::write(&path, file.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    run(&["check", "rules"], &[path])
}

fn run(verb: &[&str], files: &[PathBuf]) -> anyhow::Result<()> {
    let output = promtool::command()?
        .args(verb)
        .args(files)
        .output()
        .context("cannot start promtool")?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(
        output.status.success(),
        "promtool {}: {}\n{}",
        verb.join(" "),
        output.status,
        String::from_utf8_lossy(&said).trim()
    );
    Ok(())
}

/// The files of rules, or of tests, in this folder itself.
pub fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot read {}", folder.display()))?
            .path();
        if path.extension().is_some_and(|end| end == "yml") {
            found.push(path);
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "{} has no file of rules", folder.display());
    Ok(found)
}
