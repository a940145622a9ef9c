//! What the operator wants of a drain: how long silence must last, what may be done to the host, and what happens at
//! its end.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failing::FailurePolicy;
use super::floor::Floor;

/// The rules of one drain. All windows are whole seconds from 1 to [`Policy::LONGEST_QUIET_SECS`], deadlines from 1 to
/// [`Policy::LONGEST_DEADLINE_SECS`], counted from the moment the drain was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// A UDP flow without a packet for this long is no longer live. By default 10: a resolver's retry comes after 5.
    pub udp_quiet_secs: u32,
    /// A TCP or SCTP flow that is not established and without a packet for this long is no longer live. By default 30:
    /// longer than the back-off of a handshake that may still succeed.
    pub tcp_quiet_secs: u32,
    /// A TCP flow past FIN or RST, or an SCTP one past SHUTDOWN or ABORT, and without a packet for this long is no
    /// longer live. By default 10: the last ACKs and their retransmissions are through by then.
    pub closing_quiet_secs: u32,
    pub pinned: Pinned,
    pub sysctl: SysctlUse,
    pub fallback: FallbackUse,
    pub persistence: PersistenceUse,
    /// What happens to a server that was proven empty.
    pub then: Then,
    /// After this long the drain is called overdue, and nothing else. By default never.
    pub soft_deadline_secs: Option<u32>,
    /// After this long `on_deadline` is done. By default never.
    pub deadline_secs: Option<u32>,
    pub on_deadline: OnDeadline,
    pub other_hands: OtherHands,
    /// A removed server that is put back gets its weight in steps over this time, beginning with 1. By default 0: at
    /// once. Not where the scheduler hashes, for there each step moves flows.
    pub slow_start_secs: u32,
    pub floor: Floor,
    pub failure: FailurePolicy,
}

/// What to do about UDP flows that never fall silent: same client address and port, sending since before weight 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pinned {
    /// Wait for them, until the deadline. The default: nobody's flow is moved unasked.
    Wait,
    /// When nothing else is live, remove the server while it still answers: the kernel schedules each of them anew
    /// at its next datagram.
    Migrate,
    /// Keep the server for them, even beyond a deadline that says remove.
    Hold,
}

/// May the host's sysctls be turned on for a drain?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SysctlUse {
    /// Turned on for as long as it takes, put back right after; written to the journal first. The default: without
    /// it a late packet of an idle flow is swallowed.
    Scoped,
    /// Never touched: where `expire_nodest_conn` is 0, a server is removed only once it has no entry left.
    Never,
}

/// May the fallback flag of a scheduler that drops new flows at weight 0 (`sh`, `mh`) be set while a drain lasts?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallbackUse {
    Set,
    /// Such a drain is refused. The default: how a service schedules is its owner's to say.
    Refuse,
}

/// What about clients that a persistent service keeps sending to a server at weight 0?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersistenceUse {
    /// `expire_quiescent_template` is turned on while the drain lasts: they move at their next new flow.
    Set,
    /// They are counted and explained. The default: persistence may be what keeps their sessions alive.
    Report,
}

/// What happens to a server that was proven empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It is taken out of the table. The default: at weight 0 it would still be found by flows that wake up.
    Remove,
    /// It stays at weight 0: for a table that another program owns.
    Keep,
}

/// What a deadline does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeadline {
    /// The drain goes on, overdue. The default: nobody's flow is cut unasked.
    Hold,
    /// The server is removed: live UDP flows are scheduled anew, live TCP connections are cut. Not on unknown
    /// evidence, and not below the floor.
    Remove,
    /// The server gets its weight back.
    Restore,
}

impl OnDeadline {
    pub const fn word(self) -> &'static str {
        match self {
            OnDeadline::Hold => "hold",
            OnDeadline::Remove => "remove",
            OnDeadline::Restore => "restore",
        }
    }
}

/// What to do when another program or operator changes the server in mid-drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherHands {
    /// The drain ends, and nothing more is done to the server. The default: two that write the same table fight.
    Yield,
    /// The server is quiesced again, [`OtherHands::REASSERTIONS`] times at most; then as `yield`.
    Reassert,
    /// The drain is held until the server is as it was, or until the drain is cancelled.
    Alarm,
}

impl OtherHands {
    /// How often a drain insists on weight 0.
    pub const REASSERTIONS: u32 = 3;
    /// How long it waits for a server that another hand removed to come back.
    pub const WAIT_FOR_RETURN: Duration = Duration::from_secs(30);
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            udp_quiet_secs: 10,
            tcp_quiet_secs: 30,
            closing_quiet_secs: 10,
            pinned: Pinned::Wait,
            sysctl: SysctlUse::Scoped,
            fallback: FallbackUse::Refuse,
            persistence: PersistenceUse::Report,
            then: Then::Remove,
            soft_deadline_secs: None,
            deadline_secs: None,
            on_deadline: OnDeadline::Hold,
            other_hands: OtherHands::Yield,
            slow_start_secs: 0,
            floor: Floor::default(),
            failure: FailurePolicy::default(),
        }
    }
}

/// A policy that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("{name} of {given} s is out of range: give {smallest} to {largest} s")]
    OutOfRange {
        name: &'static str,
        given: u32,
        smallest: u32,
        largest: u32,
    },
    #[error("{0} confirmations are out of range: give 1 to {largest}", largest = FailurePolicy::MOST_CONFIRMATIONS)]
    Confirmations(u32),
    #[error("hold_down of {0} s is longer than the longest hold-down, {1} s: change one of them")]
    HoldDown(u32, u32),
    #[error("a floor of {0} % of the weight is out of range: give 0 to 100")]
    Percent(u8),
    #[error("on_deadline = \"{}\" needs a deadline: give deadline_secs, or leave on_deadline out", .0.word())]
    NoDeadline(OnDeadline),
    #[error("persistence = \"set\" turns a sysctl on, and sysctl = \"never\" forbids it: change one of them")]
    SysctlForbidden,
    #[error("the policy does not hold together: {0}")]
    Malformed(String),
}

impl Policy {
    /// The probes remember 255 whole seconds; a margin of them is left for a late reader.
    pub const LONGEST_QUIET_SECS: u32 = 240;
    /// Thirty days.
    pub const LONGEST_DEADLINE_SECS: u32 = 30 * 24 * 3600;
    pub const LONGEST_SLOW_START_SECS: u32 = 3600;

    pub fn check(&self) -> Result<(), PolicyError> {
        let windows = [
            ("udp_quiet", self.udp_quiet_secs),
            ("tcp_quiet", self.tcp_quiet_secs),
            ("closing_quiet", self.closing_quiet_secs),
        ];
        for (name, given) in windows {
            in_range(name, given, 1..=Self::LONGEST_QUIET_SECS)?;
        }
        in_range(
            "slow_start",
            self.slow_start_secs,
            0..=Self::LONGEST_SLOW_START_SECS,
        )?;
        let deadlines = [
            ("soft_deadline", self.soft_deadline_secs),
            ("deadline", self.deadline_secs),
        ];
        for (name, given) in deadlines {
            given.map_or(Ok(()), |given| {
                in_range(name, given, 1..=Self::LONGEST_DEADLINE_SECS)
            })?;
        }
        self.failure.check()?;
        if self.floor.weight_percent > 100 {
            return Err(PolicyError::Percent(self.floor.weight_percent));
        }
        if self.deadline_secs.is_none() && self.on_deadline != OnDeadline::Hold {
            return Err(PolicyError::NoDeadline(self.on_deadline));
        }
        if self.persistence == PersistenceUse::Set && self.sysctl == SysctlUse::Never {
            return Err(PolicyError::SysctlForbidden);
        }
        Ok(())
    }

    /// How long both witnesses must be silent. Open TCP connections are known from the kernel's table whatever
    /// their silence, so `tcp_quiet` plays no part.
    pub fn silence(&self) -> Duration {
        Duration::from_secs(u64::from(self.udp_quiet_secs.max(self.closing_quiet_secs)))
    }
}

pub(super) fn in_range(
    name: &'static str,
    given: u32,
    range: RangeInclusive<u32>,
) -> Result<(), PolicyError> {
    if range.contains(&given) {
        return Ok(());
    }
    let (smallest, largest) = range.into_inner();
    Err(PolicyError::OutOfRange {
        name,
        given,
        smallest,
        largest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_deadlines_out_of_range_are_refused_by_name() {
        let quiet = |secs| Policy {
            tcp_quiet_secs: secs,
            ..Policy::default()
        };
        let deadline = |secs| Policy {
            deadline_secs: Some(secs),
            ..Policy::default()
        };
        assert!(quiet(1).check().is_ok() && quiet(240).check().is_ok());
        assert!(deadline(1).check().is_ok() && deadline(2_592_000).check().is_ok());
        for (policy, name, range) in [
            (quiet(0), "tcp_quiet", "1 to 240 s"),
            (quiet(241), "tcp_quiet", "1 to 240 s"),
            (deadline(0), "deadline", "1 to 2592000 s"),
            (deadline(2_592_001), "deadline", "1 to 2592000 s"),
        ] {
            let said = policy.check().unwrap_err().to_string();
            assert!(said.contains(name) && said.contains(range), "{said}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refused = |policy: Policy| policy.check().unwrap_err().to_string();
        let no_deadline = Policy {
            on_deadline: OnDeadline::Remove,
            ..Policy::default()
        };
        assert!(refused(no_deadline).contains("deadline_secs"));
        let forbidden = Policy {
            persistence: PersistenceUse::Set,
            sysctl: SysctlUse::Never,
            ..Policy::default()
        };
        assert!(refused(forbidden).contains("sysctl"));
        let floor = Floor {
            weight_percent: 101,
            ..Floor::default()
        };
        let too_high = Policy {
            floor,
            ..Policy::default()
        };
        assert!(refused(too_high).contains("101"));
    }
}
