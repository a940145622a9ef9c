//! What the operator wants of a drain: how long silence must last, and what may be done at its end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The rules of one drain. All windows are whole seconds from 1 to [`Policy::LONGEST_QUIET_SECS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// A UDP flow without a packet for this long is no longer live.
    pub udp_quiet_secs: u32,
    /// A TCP or SCTP flow that is not established and without a packet for this long is no longer live.
    pub tcp_quiet_secs: u32,
    /// A TCP flow past FIN or RST, or an SCTP one past SHUTDOWN or ABORT, and without a packet for this long is no
    /// longer live.
    pub closing_quiet_secs: u32,
    pub pinned: Pinned,
    pub sysctl: SysctlUse,
}

/// What to do about UDP flows that never fall silent: same client address and port, sending since before weight 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pinned {
    /// Wait for them.
    Wait,
    /// When nothing else is live, remove the server while it still answers: the kernel schedules each of them anew
    /// at its next datagram.
    Migrate,
}

/// May `expire_nodest_conn` be turned on for the moment of a removal?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SysctlUse {
    /// Turned on for the removal, put back right after; written to the journal first.
    Scoped,
    /// Never touched: where it is 0, a server is removed only once it has no entry left.
    Never,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            udp_quiet_secs: 10,
            tcp_quiet_secs: 30,
            closing_quiet_secs: 10,
            pinned: Pinned::Wait,
            sysctl: SysctlUse::Scoped,
        }
    }
}

/// A window outside of what can be observed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} of {given} s cannot be observed: give 1 to {} s",
    Policy::LONGEST_QUIET_SECS
)]
pub struct PolicyError {
    name: &'static str,
    given: u32,
}

impl Policy {
    /// The probes remember 255 whole seconds; a margin of them is left for a late reader.
    pub const LONGEST_QUIET_SECS: u32 = 240;

    pub fn check(&self) -> Result<(), PolicyError> {
        for (name, given) in [
            ("udp_quiet", self.udp_quiet_secs),
            ("tcp_quiet", self.tcp_quiet_secs),
            ("closing_quiet", self.closing_quiet_secs),
        ] {
            if !(1..=Self::LONGEST_QUIET_SECS).contains(&given) {
                return Err(PolicyError { name, given });
            }
        }
        Ok(())
    }

    /// How long both witnesses must be silent. Open TCP connections are known from the kernel's table whatever
    /// their silence, so `tcp_quiet` plays no part.
    pub fn silence(&self) -> Duration {
        Duration::from_secs(u64::from(self.udp_quiet_secs.max(self.closing_quiet_secs)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_outside_the_ring_are_refused_by_name() {
        let with = |secs| Policy {
            tcp_quiet_secs: secs,
            ..Policy::default()
        };
        assert!(with(1).check().is_ok());
        assert!(with(240).check().is_ok());
        for secs in [0, 241] {
            let said = with(secs).check().unwrap_err().to_string();
            assert!(
                said.contains("tcp_quiet") && said.contains("1 to 240 s"),
                "{said}"
            );
        }
    }
}
