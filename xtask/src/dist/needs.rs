//! Which packages the binary needs, in which version: read off the versions of the symbols it asks for.
//!
//! A library gets a version of its symbols when they are added to it, so the newest one that is asked for is the oldest
//! library that will do. The build may happen on a newer system than Debian 12; then this is what tells.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use goblin::elf::Elf;

/// Library, the beginning of its versions, its package.
const LIBRARIES: [(&str, &str, &str); 5] = [
    ("libc.so.6", "GLIBC_", "libc6"),
    ("libm.so.6", "GLIBC_", "libc6"),
    ("ld-linux-x86-64.so.2", "GLIBC_", "libc6"),
    ("ld-linux-aarch64.so.1", "GLIBC_", "libc6"),
    ("libgcc_s.so.1", "GCC_", "libgcc-s1"),
];

/// What Debian 12 has.
const OLDEST_SYSTEM: (&str, [u32; 2]) = ("libc6", [2, 36]);

/// As they stand in `Depends:`.
pub fn packages(binary: &[u8]) -> anyhow::Result<Vec<String>> {
    let newest = newest(binary)?;
    let (package, has) = &OLDEST_SYSTEM;
    if let Some(version) = newest
        .get(package)
        .filter(|version| version.as_slice() > has.as_slice())
    {
        eprintln!(
            "dist: this build needs {package} {}, and so runs on no Debian 12, which has {}: build it there",
            dotted(version),
            dotted(has)
        );
    }
    Ok(newest
        .iter()
        .map(|(package, version)| format!("{package} (>= {})", dotted(version)))
        .collect())
}

/// The newest version of each package that a symbol asks for.
fn newest(binary: &[u8]) -> anyhow::Result<BTreeMap<&'static str, Vec<u32>>> {
    let elf = Elf::parse(binary).context("the binary is no ELF file that can be read")?;
    let mut found = BTreeMap::new();
    for library in &elf.libraries {
        ensure!(
            LIBRARIES.iter().any(|(name, ..)| name == library),
            "the binary needs {library}, and which package has that is not known here"
        );
    }
    let needs = elf
        .verneed
        .as_ref()
        .context("no symbol of the binary has a version")?;
    for need in needs {
        let file = elf
            .dynstrtab
            .get_at(need.vn_file)
            .context("a library without a name")?;
        let Some((_, prefix, package)) = LIBRARIES.iter().find(|(name, ..)| *name == file) else {
            bail!("the binary needs {file}, and which package has that is not known here");
        };
        for symbol in &need {
            let name = elf
                .dynstrtab
                .get_at(symbol.vna_name)
                .context("a version without a name")?;
            let version = name.strip_prefix(prefix).and_then(numbers);
            let version =
                version.with_context(|| format!("{file} has no version {name} that can be compared"))?;
            let newest: &mut Vec<u32> = found.entry(*package).or_default();
            if *newest < version {
                *newest = version;
            }
        }
    }
    Ok(found)
}

fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split('.').map(|number| number.parse().ok()).collect()
}

fn dotted(version: &[u32]) -> String {
    version.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("2.4").unwrap() < numbers("2.34").unwrap());
        assert!(numbers("2.2.5").unwrap() < numbers("2.3").unwrap());
        assert_eq!(numbers("PRIVATE"), None);
    }

    #[test]
    fn this_test_needs_a_libc_and_says_which() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let packages = packages(&own).unwrap();
        assert!(
            packages.iter().any(|package| package.starts_with("libc6 (>= 2.")),
            "{packages:?}"
        );
    }
}
