//! wrk on the client: short connections, one request each, at a steady and modest rate.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde::Serialize;
use tempfile::TempDir;

use super::server::service;
use crate::process::Process;
use crate::world::World;

const END_LIMIT: Duration = Duration::from_secs(30);

/// What wrk counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct WrkCount {
    pub requests: u64,
    pub connect_errors: u64,
    pub read_errors: u64,
    pub write_errors: u64,
    pub timeouts: u64,
}

/// wrk at work; dropping it ends it.
#[derive(Debug)]
pub struct Load {
    process: Process,
    folder: TempDir,
}

impl Load {
    /// So many connections at a time, each of which waits this long before its one request.
    pub fn start(world: &World, port: u16, connections: u16, waits: Duration) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder for wrk")?;
        let script = folder.path().join("script.lua");
        let waits = waits.as_millis();
        fs::write(
            &script,
            format!("wrk.headers[\"Connection\"] = \"close\"\nfunction delay() return {waits} end\n"),
        )
        .context("cannot write wrk's script")?;
        let output = File::create(folder.path().join("output"))?;
        let mut command = Command::new("wrk");
        command
            .args(["-t", "1", "-d", "24h", "-c", &connections.to_string(), "-s"])
            .arg(&script)
            .arg(format!("http://{}/", service(port)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        Ok(Self {
            process: world.client().start(&mut command)?,
            folder,
        })
    }

    /// Tells it to end and reads what it counted.
    pub fn finish(self) -> Result<WrkCount> {
        self.process.signal(Signal::SIGINT)?;
        let ended = self.process.finish(END_LIMIT)?;
        let output = read(self.folder.path())?;
        ensure!(
            ended.status.success(),
            "wrk ended with {}: {output}",
            ended.status
        );
        read_count(&output)
    }
}

fn read(folder: &Path) -> Result<String> {
    fs::read_to_string(folder.join("output")).context("cannot read wrk's output")
}

/// `  117 requests in 10.02s, 20.11KB read`, and where there were errors
/// `  Socket errors: connect 0, read 3, write 0, timeout 2`.
fn read_count(output: &str) -> Result<WrkCount> {
    let line = |marker: &str| output.lines().find(|line| line.contains(marker));
    let requests = line("requests in")
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("wrk's output tells no number of requests: {output}"))?;
    let errors = line("Socket errors:").unwrap_or_default();
    let error = |label: &str| {
        let rest = errors.split_once(label).map_or("", |(_, rest)| rest).trim();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().unwrap_or(0)
    };
    Ok(WrkCount {
        requests,
        connect_errors: error("connect "),
        read_errors: error("read "),
        write_errors: error("write "),
        timeouts: error("timeout "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read_with_errors_and_without() {
        let well =
            read_count("Running 10s test\n  117 requests in 10.02s, 20.11KB read\nRequests/sec: 11.7\n");
        assert_eq!(
            well.unwrap(),
            WrkCount {
                requests: 117,
                ..WrkCount::default()
            }
        );
        let ill = read_count(
            "  9 requests in 10.02s, 1KB read\n  Socket errors: connect 1, read 23, write 0, timeout 45\n",
        )
        .unwrap();
        assert_eq!((ill.connect_errors, ill.read_errors, ill.timeouts), (1, 23, 45));
        assert!(read_count("").is_err());
    }
}
