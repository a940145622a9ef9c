//! The kernel's own packet counters of a real server, as `ipvsadm` shows them: the second opinion on what was counted.

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::RealServer;

use super::director::service_option;
use super::{Director, Place};

impl Director {
    /// Packets in and out of the first real server of this name. The kernel renews them every 2 s.
    pub fn packets(&self, server: &RealServer) -> Result<(u64, u64)> {
        self.packets_of("", server)
    }

    /// Packets in and out of a real server in one service.
    pub fn packets_in(&self, place: Place) -> Result<(u64, u64)> {
        self.packets_of(&service_option(&place.service), &place.server)
    }

    fn packets_of(&self, service: &str, server: &RealServer) -> Result<(u64, u64)> {
        let options = ["-Ln", "--stats", "--exact"]
            .into_iter()
            .chain(service.split_whitespace());
        let text = self.machine().run("ipvsadm", &options.collect::<Vec<_>>(), "")?;
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
