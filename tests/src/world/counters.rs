//! The kernel's own packet counters of a real server, as `ipvsadm` shows them: the second opinion on what was counted.

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::RealServer;

use super::Director;

impl Director {
    /// Packets in and out of the first real server of this name. The kernel renews them every 2 s.
    pub fn packets(&self, server: &RealServer) -> Result<(u64, u64)> {
        let text = self
            .machine()
            .run("ipvsadm", &["-Ln", "--stats", "--exact"], "")?;
        let name = server.to_string();
        let line = text
            .lines()
            .find(|line| line.split_whitespace().any(|word| word == name))
            .with_context(|| format!("{server} is not in the table:\n{text}"))?;
        let numbers: Vec<u64> = line
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        ensure!(numbers.len() == 5, "not the five counters of a server: {line}");
        Ok((numbers[1], numbers[2]))
    }
}
