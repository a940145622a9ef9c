//! dnsperf on the client: queries at a steady rate from a few sockets, each with one source port for ever.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde::Serialize;
use tempfile::TempDir;

use super::{NAMES, ZONE};
use crate::process::Process;
use crate::world::{VIP, World};

/// dnsperf ends soon after it is told to.
const END_LIMIT: Duration = Duration::from_secs(30);

/// What dnsperf counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Count {
    pub sent: u64,
    pub completed: u64,
    /// Queries without an answer for 5 s. Those still waiting when it was told to end are in none of the two.
    pub lost: u64,
}

/// dnsperf at work; dropping it kills it.
#[derive(Debug)]
pub struct Load {
    process: Process,
    folder: TempDir,
}

impl Load {
    /// Sends `per_second` queries in all, from `sockets` sockets in turn, until told to end.
    pub fn start(world: &World, port: u16, sockets: u16, per_second: u32) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder for dnsperf")?;
        let names = (0..NAMES).fold(String::new(), |mut lines, number| {
            let _ = writeln!(lines, "host{number}.{ZONE} A");
            lines
        });
        fs::write(folder.path().join("queries"), names).context("cannot write dnsperf's queries")?;
        // Files, not pipes: it reports each lost query, and nobody reads while it runs.
        let output = File::create(folder.path().join("output"))?;
        let errors = File::create(folder.path().join("errors"))?;
        let mut command = Command::new("dnsperf");
        command
            .args([
                "-s",
                &ip(VIP),
                "-p",
                &port.to_string(),
                "-T",
                "1",
                "-t",
                "5",
                "-l",
                "86400",
            ])
            .args(["-c", &sockets.to_string(), "-Q", &per_second.to_string(), "-d"])
            .arg(folder.path().join("queries"))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        Ok(Self {
            process: world.client().start(&mut command)?,
            folder,
        })
    }

    /// Tells it to end and reads what it counted.
    pub fn finish(self) -> Result<Count> {
        self.process.signal(Signal::SIGINT)?;
        let ended = self.process.finish(END_LIMIT)?;
        let output = read(self.folder.path(), "output")?;
        ensure!(
            ended.status.success(),
            "dnsperf ended with {}: {output} {}",
            ended.status,
            read(self.folder.path(), "errors")?
        );
        read_count(&output)
    }
}

fn ip(address: Ipv4Addr) -> String {
    address.to_string()
}

fn read(folder: &Path, name: &str) -> Result<String> {
    fs::read_to_string(folder.join(name)).with_context(|| format!("cannot read dnsperf's {name}"))
}

fn read_count(output: &str) -> Result<Count> {
    let number = |label: &str| {
        output
            .lines()
            .find_map(|line| line.trim().strip_prefix(label))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .with_context(|| format!("dnsperf's output has no `{label}`: {output}"))
    };
    Ok(Count {
        sent: number("Queries sent:")?,
        completed: number("Queries completed:")?,
        lost: number("Queries lost:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read_and_a_missing_one_is_an_error() {
        let count = read_count(
            "Statistics:\n\n  Queries sent:         1200\n  Queries completed:    1150 (95.83%)\n  Queries lost:         50 (4.17%)\n",
        );
        assert_eq!(
            count.unwrap(),
            Count {
                sent: 1200,
                completed: 1150,
                lost: 50
            }
        );
        assert!(
            read_count("Statistics:\n")
                .unwrap_err()
                .to_string()
                .contains("Queries sent")
        );
    }
}
