//! promtool, Prometheus' own judge of what it is given: fetched from Debian into the cache, nothing is installed.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::cache;
use crate::debian::Suite;

/// Where it lies in the package `prometheus`, whose server is never started.
const PROGRAM: &str = "usr/bin/promtool";

/// The pages that the daemon's own tests compare with what is rendered.
const PAGES: &str = "ipvsdrain/src/metrics/snapshots";

/// How the names of those pages end that are in the format promtool reads.
const IN_ITS_FORMAT: &str = "in_the_text_of_prometheus.snap";

/// promtool, ready for its arguments. Needs the network only the first time.
pub fn command() -> anyhow::Result<Command> {
    let folder = cache::folder("promtool")?.join("prometheus");
    let program = folder.join(PROGRAM);
    // Held while it is looked for as well: another one may be fetching it.
    let _lock = cache::lock()?;
    if !program.exists() {
        eprintln!("promtool: fetching it from Debian");
        let suite = Suite::of_this_machine()?;
        suite
            .unpack_together(&["prometheus"], &folder)
            .context("cannot fetch promtool, which is in Debian's package prometheus")?;
    }
    ensure!(
        program.exists(),
        "Debian's package prometheus holds no {PROGRAM} in {}",
        folder.display()
    );
    Ok(Command::new(program))
}

/// Whether every page of metrics is as `promtool check metrics` wants it.
pub fn check_metrics(mut promtool: Command) -> anyhow::Result<()> {
    promtool
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let folder = cache::workspace().join(PAGES);
    let mut judged = 0;
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if !path.to_string_lossy().ends_with(IN_ITS_FORMAT) {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let page = body(&text).with_context(|| format!("{} is no snapshot", path.display()))?;
        let mut running = promtool.spawn().context("cannot start promtool")?;
        // It reads all before it says anything. Dropped at once, for it waits for the end.
        let mut door = running.stdin.take().context("promtool has no standard input")?;
        door.write_all(page.as_bytes())
            .context("cannot write to promtool")?;
        drop(door);
        let output = running.wait_with_output().context("cannot wait for promtool")?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(
            output.status.success() && said.is_empty(),
            "promtool on {}: {}, {}",
            path.display(),
            output.status,
            String::from_utf8_lossy(&said).trim()
        );
        judged += 1;
    }
    ensure!(judged > 0, "{} holds no page …{IN_ITS_FORMAT}", folder.display());
    Ok(())
}

/// What a snapshot is about, without its head.
fn body(snapshot: &str) -> Option<String> {
    let (_, body) = snapshot.strip_prefix("---\n")?.split_once("\n---\n")?;
    Some(format!("{}\n", body.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_comes_after_the_head_of_its_snapshot() {
        let page = body("---\nsource: a.rs\nexpression: b\n---\n# HELP a B.\na 1\n").unwrap();
        assert_eq!(page, "# HELP a B.\na 1\n");
        assert_eq!(body("# HELP a B.\n"), None);
    }
}
