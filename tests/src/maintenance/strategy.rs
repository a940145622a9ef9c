//! The ways to take a server out, by name.

use std::time::Duration;

use anyhow::{Context, Result};

/// A way to take a server out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Nothing is done: what is lost here is lost for want of room in the guest.
    Control,
    /// `ipvsadm -d`, at once.
    Delete,
    /// Weight 0, so many seconds, `ipvsadm -d`.
    FixedTimer(u64),
    /// Weight 0, `ipvsadm -d` when the kernel's counters read zero: the rule of kube-proxy and kube-router.
    CounterPoll,
    /// The server is taken out of keepalived's configuration, which is read again.
    KeepalivedReload,
    /// The check fails under `inhibit_on_failure`; a minute later the server is taken out of the configuration.
    KeepalivedInhibit,
    /// The check fails under `quiescent=yes`; a minute later the server is taken out of the configuration.
    LdirectordQuiescent,
    /// The server is named in the `maintenancedir`.
    LdirectordMaintenance,
    /// `ipvsdrain drain --wait`, nothing configured.
    Ipvsdrain,
    /// The same under `pinned = "migrate"`.
    IpvsdrainMigrate,
}

impl Strategy {
    pub const ALL: [Strategy; 12] = [
        Strategy::Control,
        Strategy::Delete,
        Strategy::FixedTimer(10),
        Strategy::FixedTimer(30),
        Strategy::FixedTimer(60),
        Strategy::CounterPoll,
        Strategy::KeepalivedReload,
        Strategy::KeepalivedInhibit,
        Strategy::LdirectordQuiescent,
        Strategy::LdirectordMaintenance,
        Strategy::Ipvsdrain,
        Strategy::IpvsdrainMigrate,
    ];

    /// Those that the demo shows.
    pub const DEMO: [Strategy; 4] = [
        Strategy::Delete,
        Strategy::FixedTimer(10),
        Strategy::CounterPoll,
        Strategy::IpvsdrainMigrate,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Strategy::Control => "control",
            Strategy::Delete => "delete",
            Strategy::FixedTimer(10) => "fixed-timer-10",
            Strategy::FixedTimer(30) => "fixed-timer-30",
            Strategy::FixedTimer(60) => "fixed-timer-60",
            Strategy::FixedTimer(_) => "fixed-timer",
            Strategy::CounterPoll => "counter-poll",
            Strategy::KeepalivedReload => "keepalived-reload",
            Strategy::KeepalivedInhibit => "keepalived-inhibit",
            Strategy::LdirectordQuiescent => "ldirectord-quiescent",
            Strategy::LdirectordMaintenance => "ldirectord-maintenance",
            Strategy::Ipvsdrain => "ipvsdrain",
            Strategy::IpvsdrainMigrate => "ipvsdrain-migrate",
        }
    }

    pub fn named(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == name)
            .with_context(|| {
                let all = Self::ALL.map(Self::name).join(", ");
                format!("there is no strategy `{name}`: {all}")
            })
    }

    /// How long it sleeps at weight 0.
    pub(super) const fn timer(self) -> Duration {
        match self {
            Strategy::FixedTimer(seconds) => Duration::from_secs(seconds),
            _ => Duration::ZERO,
        }
    }
}
