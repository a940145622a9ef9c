//! What a program in Perl brings along: the interpreter and the libraries of the packages it depends on.
//!
//! Owns telling such a program apart, and which files those are. Nothing is run here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::programs::{ProgramFile, collect};

/// Has to be among the packages of whoever wants a program in Perl; it does depend on it.
const INTERPRETER: &str = "usr/bin/perl";
/// Where Debian's packages keep libraries of Perl.
const FOLDERS: [&str; 5] = [
    "usr/share/perl",
    "usr/share/perl5",
    "usr/lib/x86_64-linux-gnu/perl",
    "usr/lib/x86_64-linux-gnu/perl5",
    "usr/lib/x86_64-linux-gnu/perl-base",
];
/// Documentation and headers: nothing that a program needs.
const LEFT_OUT: [&str; 3] = [".pod", ".h", ".a"];

/// Whether this is a script for Perl, by its first line.
pub fn is_perl(content: &[u8]) -> bool {
    let first = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    first.starts_with(b"#!") && first.windows(4).any(|word| word == b"perl")
}

/// The interpreter and every library of these packages, by path in the guest.
pub fn runtime(packages: &[PathBuf]) -> anyhow::Result<BTreeMap<String, ProgramFile>> {
    let mut files = BTreeMap::new();
    for package in packages {
        let interpreter = package.join(INTERPRETER);
        if interpreter.exists() && !interpreter.is_symlink() {
            files.insert(INTERPRETER.to_owned(), ProgramFile::Copy(interpreter));
        }
        for folder in FOLDERS {
            let from = package.join(folder);
            if from.is_dir() {
                collect(&from, folder, &mut files)?;
            }
        }
    }
    files.retain(|path, _| !LEFT_OUT.iter().any(|end| path.ends_with(end)));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_script_is_known_by_its_first_line() {
        assert!(is_perl(b"#!/usr/bin/perl -w\nuse strict;\n"));
        assert!(!is_perl(b"#!/bin/sh\nexec perl\n"));
        assert!(!is_perl(b"\x7fELF"));
    }

    #[test]
    fn libraries_are_found_and_links_kept() {
        let root = tempfile::tempdir().unwrap();
        let share = root.path().join("usr/share/perl");
        fs::create_dir_all(share.join("5.36.0")).unwrap();
        fs::write(share.join("5.36.0/strict.pm"), "1;").unwrap();
        fs::write(share.join("5.36.0/strict.pod"), "").unwrap();
        std::os::unix::fs::symlink("5.36.0", share.join("5.36")).unwrap();
        let files = runtime(&[root.path().to_owned()]).unwrap();
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            ["usr/share/perl/5.36", "usr/share/perl/5.36.0/strict.pm"]
        );
        assert_eq!(files["usr/share/perl/5.36"], ProgramFile::Link("5.36.0".into()));
    }
}
