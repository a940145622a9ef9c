//! Writes the man pages and the shell completions into a folder, below the paths they have on a system.
//!
//! They are made from the command line itself, so neither can say what the program does not do. `cargo xtask dist`
//! runs this; a crate of its own, so that neither the product nor xtask carries what only a package needs.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Command, Parser};
use clap_complete::Shell;
use clap_mangen::Man;

const PROGRAM: &str = "ipvsdrain";

/// Where each shell looks for what it can complete.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "usr/share/bash-completion/completions/ipvsdrain"),
    (Shell::Fish, "usr/share/fish/vendor_completions.d/ipvsdrain.fish"),
    (Shell::Zsh, "usr/share/zsh/vendor-completions/_ipvsdrain"),
];

#[derive(Debug, Parser)]
struct Arguments {
    /// The root of the package
    folder: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let folder = Arguments::parse().folder;
    for (path, content) in files()? {
        let path = folder.join(path);
        let parent = path.parent().context("a file without a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Every file by its path in the package.
fn files() -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut command = ipvsdrain::cli::command();
    // Names the verbs in full, and hands down what is valid everywhere.
    command.build();
    let mut files = vec![page(PROGRAM, command.clone())?];
    for verb in verbs(&command) {
        let name = format!("{PROGRAM}-{}", verb.get_name());
        files.push(page(&name, verb.clone())?);
    }
    for (shell, path) in COMPLETIONS {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), PROGRAM, &mut text);
        files.push((path.to_owned(), text));
    }
    Ok(files)
}

fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
}

/// A page of section 1. Its date is left out: it would change with each build.
fn page(name: &str, command: Command) -> anyhow::Result<(String, Vec<u8>)> {
    let page = Man::new(command)
        .title(name.to_uppercase())
        .source(format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION")))
        .manual("ipvsdrain manual");
    let mut text = Vec::new();
    page.render(&mut text)
        .with_context(|| format!("cannot write the page {name}"))?;
    Ok((format!("usr/share/man/man1/{name}.1"), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(path: &str) -> String {
        let found = files().unwrap().into_iter().find(|(name, _)| name == path);
        let (_, text) = found.unwrap_or_else(|| panic!("there is no {path}"));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_verb_has_a_page_and_is_completed_by_every_shell() {
        let command = ipvsdrain::cli::command();
        let names: Vec<_> = verbs(&command).map(|verb| verb.get_name().to_owned()).collect();
        assert!(names.contains(&"drain".to_owned()) && names.contains(&"daemon".to_owned()));
        let overview = text_of("usr/share/man/man1/ipvsdrain.1");
        let completions = COMPLETIONS.map(|(_, path)| text_of(path));
        for name in names {
            let page = text_of(&format!("usr/share/man/man1/ipvsdrain-{name}.1"));
            assert!(
                page.contains(&format!("ipvsdrain {}", name.replace('-', "\\-"))),
                "{page}"
            );
            assert!(
                overview.contains(&name.replace('-', "\\-")),
                "{name} is not in the overview"
            );
            for completion in &completions {
                assert!(completion.contains(&name), "{name} is not completed");
            }
        }
    }

    #[test]
    fn a_page_explains_the_options_of_its_verb() {
        let page = text_of("usr/share/man/man1/ipvsdrain-drain.1");
        for option in ["wait", "deadline", "pinned"] {
            assert!(
                page.contains(&format!("\\-\\-{option}")),
                "--{option} is not explained: {page}"
            );
        }
    }
}
