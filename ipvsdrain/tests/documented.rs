//! The examples of the documentation that need no daemon do what the page says. Those that need one are run by the lab's
//! scenario `documented`.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::process::Command;

#[allow(dead_code, unreachable_pub, reason = "the lab uses the rest")]
#[path = "../../tests/src/documents.rs"]
mod documents;

const PAGES: [(&str, &str); 3] = [
    ("docs/cli.md", include_str!("../../docs/cli.md")),
    ("docs/operations.md", include_str!("../../docs/operations.md")),
    (
        "docs/configuration.md",
        include_str!("../../docs/configuration.md"),
    ),
];

#[test]
fn examples_without_a_daemon_do_what_the_page_says() {
    let folder = tempfile::tempdir().unwrap();
    // As `ipvsdrain`, wherever cargo put it.
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_ipvsdrain"));
    let path = format!(
        "{}:{}",
        binary.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let mut run = 0;
    for (name, page) in PAGES {
        for block in documents::blocks(page) {
            assert!(
                ["", "console", "console no-daemon", "sh rolling-restart", "toml"].contains(&block.mark),
                "{name}: nobody runs blocks marked `{}`",
                block.mark
            );
            if block.mark != "console no-daemon" {
                continue;
            }
            for example in documents::examples(block.body) {
                let output = Command::new("sh")
                    .args(["-c", &format!("exec 2>&1\n{}", example.command)])
                    .current_dir(folder.path())
                    .env("PATH", &path)
                    .output()
                    .unwrap();
                let printed = String::from_utf8_lossy(&output.stdout);
                assert!(
                    output.status.success(),
                    "{name}: `{}`: {}: {printed}",
                    example.command,
                    output.status
                );
                if let Some(difference) = example.differs(&printed) {
                    panic!("{name}: {difference}");
                }
                run += 1;
            }
        }
    }
    assert!(run > 5, "{run} examples were found");
}
