//! Rows on this machine itself: the program that a guest runs, in namespaces of its own. The machine's own table, network
//! and sysctls are not touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::LIMIT;
use super::boot::SCENARIO;
use crate::lab::{Build, Event, ScenarioResult, build, lines_of};

/// Between two signs of life that whoever waits is given.
const BEAT: Duration = Duration::from_secs(5);

/// The running kernel, as in `uname -r`.
pub(super) fn release() -> Result<String> {
    let path = "/proc/sys/kernel/osrelease";
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(text.trim().to_owned())
}

/// The program that runs scenarios, with the daemon beside it: in this folder, or built as it is shipped.
pub(super) fn program(folder: Option<&Path>) -> Result<PathBuf> {
    let Some(folder) = folder else {
        return Ok(build(Build::Release)?.lab);
    };
    for name in ["ipvsdrain-lab", "ipvsdrain"] {
        let path = folder.join(name);
        ensure!(path.is_file(), "there is no {}: copy it there", path.display());
    }
    Ok(folder.join("ipvsdrain-lab"))
}

/// Runs the scenario with these options to its end, in this machine's time.
pub(super) fn run(
    program: &Path,
    release: &str,
    options: &Value,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Vec<ScenarioResult>> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "--host makes network namespaces and IPVS tables in them: run it as root"
    );
    let child = Command::new(program)
        .args(["run", SCENARIO, "--options"])
        .arg(options.to_string())
        .arg(format!("--limit={}", LIMIT.as_secs()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    follow(child, release, on_event)
}

fn follow(mut child: Child, release: &str, on_event: &mut dyn FnMut(&Event)) -> Result<Vec<ScenarioResult>> {
    let begin = Instant::now();
    on_event(&Event::Booted {
        kernel: release.to_owned(),
        guest_seconds: 0.0,
    });
    let output = child.stdout.take().context("its output is a pipe")?;
    let lines = lines_of(output);
    let mut results = Vec::new();
    loop {
        match lines.recv_timeout(BEAT) {
            Ok(line) => {
                let Some(event) = Event::from_line(&line) else {
                    continue;
                };
                on_event(&event);
                if let Event::Finished(result) = event {
                    results.push(result);
                }
            }
            Err(RecvTimeoutError::Timeout) => on_event(&Event::Alive {
                guest_seconds: begin.elapsed().as_secs_f64(),
            }),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait().context("cannot wait for the scenario's program")?;
    ensure!(
        !results.is_empty(),
        "it ended without a result ({status}); its own words are above"
    );
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(script: &str) -> (Result<Vec<ScenarioResult>>, Vec<Event>) {
        let child = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut events = Vec::new();
        let results = follow(child, "6.9", &mut |event| events.push(event.clone()));
        (results, events)
    }

    #[test]
    fn what_the_program_tells_is_passed_on_and_its_result_is_the_end() {
        let finished = r#"{"event":"finished","scenario":"bench-loss","kernel":"6.9","passed":true,"guest_seconds":1.0}"#;
        let told = r#"{"event":"progress","scenario":"bench-loss","data":{"cell":{}}}"#;
        let (results, events) = says(&format!("echo noise; echo '{told}'; echo '{finished}'"));
        assert!(results.unwrap()[0].passed);
        assert!(
            matches!(&events[0], Event::Booted { kernel, .. } if kernel == "6.9"),
            "{events:?}"
        );
        assert!(matches!(&events[1], Event::Progress { .. }), "{events:?}");
    }

    #[test]
    fn a_folder_without_the_programs_is_refused_by_the_name_of_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ipvsdrain-lab"), "").unwrap();
        let error = program(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("/ipvsdrain: copy it"), "{error}");
        fs::write(folder.path().join("ipvsdrain"), "").unwrap();
        assert!(program(Some(folder.path())).unwrap().ends_with("ipvsdrain-lab"));
    }

    #[test]
    fn an_end_without_a_result_is_an_error() {
        let (results, _) = says("exit 2");
        let error = results.unwrap_err().to_string();
        assert!(error.contains("exit status: 2"), "{error}");
    }
}
