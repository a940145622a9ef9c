//! The licences of the libraries that are linked into the binary: their names, and the texts that have to come along.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use super::{cargo, run_for};

/// How files that hold a licence or a copyright begin.
const NAMES: [&str; 4] = ["license", "licence", "copying", "notice"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: String,
    /// None for the crates of this workspace.
    source: Option<String>,
}

/// A list of all, then each text once, with the libraries that it is of.
pub fn text() -> anyhow::Result<String> {
    let linked = run_for(
        cargo()
            .args(["tree", "--locked", "--package", "ipvsdrain"])
            .args(["--edges=normal", "--prefix=none", "--format={p}"]),
    )?;
    // `name v1.2.3`, and more where it is no library from a registry.
    let linked: BTreeSet<(&str, &str)> = linked
        .lines()
        .filter_map(|line| line.split_once(" v"))
        .map(|(name, rest)| (name, rest.split(' ').next().unwrap_or(rest)))
        .collect();
    let known = run_for(cargo().args(["metadata", "--locked", "--format-version=1"]))?;
    let known: Metadata =
        serde_json::from_str(&known).context("cargo's metadata are not what they should be")?;
    let mut list = String::from("Libraries that are linked into ipvsdrain, and their licences.\n\n");
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in &known.packages {
        if package.source.is_none() || !linked.contains(&(package.name.as_str(), package.version.as_str())) {
            continue;
        }
        let name = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().unwrap_or("see its text");
        let _ = writeln!(list, "{name}: {licence}");
        let folder = Path::new(&package.manifest_path)
            .parent()
            .context("a library without a folder")?;
        for text in texts_in(folder)? {
            texts.entry(text).or_default().insert(name.clone());
        }
    }
    for (text, of) in texts {
        let of: Vec<_> = of.into_iter().collect();
        let _ = write!(list, "\n{}\nOf {}\n\n{text}\n", "-".repeat(80), of.join(", "));
    }
    Ok(list)
}

fn texts_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if entry.path().is_file() && NAMES.iter().any(|begin| name.starts_with(begin)) {
            let text =
                fs::read(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
            found.push(String::from_utf8_lossy(&text).trim().to_owned());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_listed_with_their_texts_and_tools_are_not() {
        let text = text().unwrap();
        assert!(text.contains("\naya 0.") && text.contains("\ntokio 1."), "{text}");
        assert!(text.contains("Permission is hereby granted, free of charge"));
        assert!(!text.contains("\nproptest ") && !text.contains("\nipvsdrain "));
    }
}
