//! Where a row plays: one world, one service, server1's place, a daemon, traffic with a ledger, a witness of the table.
//!
//! Owns building all that, anew for each row, and what a row does with it: drain, wait, look.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::api::DrainView;
use ipvsdrain::identity::{Family, Protocol, RealServer, VirtualService};
use ipvsdrain::moment::Moment;
use serde_json::Value;
use tempfile::TempDir;

use super::super::witness::Witness;
use super::facts::Facts;
use crate::clock;
use crate::daemon::{Daemon, PendingDrain};
use crate::ledger::Server;
use crate::traffic::Traffic;
use crate::world::{Forwarding, Place, World};

pub(super) const PORT: u16 = 5300;
/// The server that is drained.
pub(super) const DRAINED: Server = Server(1);
/// The longest that a drain of these rows takes.
pub(super) const LIMIT: Duration = Duration::from_mins(3);
const SYSCTLS: &str = "/proc/sys/net/ipv4/vs";

/// What is laid out before a row begins.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) forwarding: Forwarding,
    pub(super) servers: u16,
    pub(super) protocol: Protocol,
    /// The service's options, as `ipvsadm` takes them. None: another program makes the service.
    pub(super) service: Option<&'static str>,
    /// Of the director.
    pub(super) sysctls: Vec<(&'static str, &'static str)>,
    /// The daemon's configuration file.
    pub(super) config: Option<&'static str>,
}

impl Setting {
    /// Two servers of weight 1 under direct route, scheduled in turn.
    pub(super) fn of(protocol: Protocol) -> Self {
        Self {
            forwarding: Forwarding::DirectRoute,
            servers: 2,
            protocol,
            service: Some("-s rr"),
            sysctls: Vec::new(),
            config: None,
        }
    }

    pub(super) fn udp() -> Self {
        Self::of(Protocol::Udp)
    }

    pub(super) fn with_service(self, options: &'static str) -> Self {
        Self {
            service: Some(options),
            ..self
        }
    }

    pub(super) fn with_sysctl(mut self, name: &'static str, value: &'static str) -> Self {
        self.sysctls.push((name, value));
        self
    }

    pub(super) fn with_config(self, config: &'static str) -> Self {
        Self {
            config: Some(config),
            ..self
        }
    }

    /// Lays it out, plays there and tells what was seen.
    pub(super) fn lay(&self, play: fn(&mut Case<'_>) -> Result<()>) -> Result<Value> {
        let world = World::build(self.forwarding, self.servers)?;
        let director = world.director();
        let service = VirtualService::Address {
            protocol: self.protocol,
            addr: (World::vip(Family::V4), PORT).into(),
        };
        if let Some(options) = self.service {
            let servers = world
                .servers()
                .map(|(_, machine)| (RealServer((machine.address(), PORT).into()), 1));
            director.add(&service, options, self.forwarding, servers)?;
        }
        for (name, value) in &self.sysctls {
            director.machine().set_sysctl(name, value)?;
        }
        let folder = TempDir::new().context("cannot make a folder for the configuration")?;
        let mut options = Vec::new();
        if let Some(config) = self.config {
            let path = folder.path().join("config.toml");
            fs::write(&path, config).with_context(|| format!("cannot write {}", path.display()))?;
            options = vec!["--config".to_owned(), path.display().to_string()];
        }
        let words: Vec<&str> = options.iter().map(String::as_str).collect();
        let mut case = Case {
            world: &world,
            place: world.place(service, DRAINED, PORT),
            daemon: Daemon::start(&world, &words)?,
            traffic: Traffic::new(&world),
            witness: Witness::start(director.machine())?,
            facts: Facts::default(),
            before: Before::of(&world)?,
            since: clock::now(),
            told: Value::Null,
            client: None,
            options,
            _folder: folder,
        };
        play(&mut case).with_context(|| format!("the daemon printed: {}", case.daemon.log()))?;
        ensure!(!case.told.is_null(), "the row ended without a judgement");
        let told = case.told.take();
        case.leave_nothing()?;
        Ok(told)
    }
}

/// What a drain has to leave as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Before {
    pub(super) sysctls: BTreeMap<String, String>,
    /// The services with their options, without their servers.
    pub(super) services: Vec<String>,
}

impl Before {
    pub(super) fn of(world: &World) -> Result<Self> {
        let director = world.director();
        let sysctls = director.machine().within(|| {
            let mut values = BTreeMap::new();
            for entry in fs::read_dir(SYSCTLS).with_context(|| format!("cannot list {SYSCTLS}"))? {
                let entry = entry?;
                // Some can only be written.
                if let Ok(value) = fs::read_to_string(entry.path()) {
                    values.insert(
                        entry.file_name().to_string_lossy().into_owned(),
                        value.trim().to_owned(),
                    );
                }
            }
            anyhow::Ok(values)
        })?;
        let saved = director.saved()?;
        let services = saved.lines().filter(|line| line.starts_with("-A "));
        Ok(Self {
            sysctls,
            services: services.map(str::to_owned).collect(),
        })
    }
}

/// A row under way.
#[derive(Debug)]
pub(super) struct Case<'world> {
    pub(super) world: &'world World,
    /// Of the server that is drained.
    pub(super) place: Place,
    pub(super) daemon: Daemon<'world>,
    pub(super) traffic: Traffic<'world>,
    pub(super) witness: Witness,
    pub(super) facts: Facts,
    pub(super) before: Before,
    /// When that was.
    pub(super) since: Moment,
    /// What [`Case::judge`] found.
    pub(super) told: Value,
    /// Who waits for a drain whose end is not asked of it.
    pub(super) client: Option<PendingDrain>,
    options: Vec<String>,
    _folder: TempDir,
}

impl Case<'_> {
    pub(super) fn place_of(&self, server: Server) -> Place {
        self.world.place(self.place.service, server, PORT)
    }

    /// Begins to drain server1, and remembers how things are.
    pub(super) fn drain(&mut self, options: &[&str]) -> Result<PendingDrain> {
        self.remember()?;
        self.daemon.begin_drain(self.place, options)
    }

    /// From now on everything is to stay as it is.
    pub(super) fn remember(&mut self) -> Result<()> {
        self.before = Before::of(self.world)?;
        self.since = clock::now();
        Ok(())
    }

    pub(super) fn weight(&self, place: Place) -> Result<Option<i32>> {
        Ok(self.world.director().row(place)?.map(|row| row.weight))
    }

    /// The drain of server1 as soon as it is so.
    pub(super) fn await_drain(&self, what: &str, is_so: impl Fn(&DrainView) -> bool) -> Result<DrainView> {
        super::super::daemon_crashes::await_drain(&self.daemon, self.place, what, is_so)
    }

    /// What a drain that is not over leaves in the kernel is shared by all namespaces, and not for the next row to meet.
    fn leave_nothing(mut self) -> Result<()> {
        self.daemon.kill()?;
        let cleaned = self.daemon.clean()?;
        ensure!(
            cleaned.status.success(),
            "`ipvsdrain daemon --clean` ended with {}: {}",
            cleaned.status,
            String::from_utf8_lossy(&cleaned.stderr)
        );
        Ok(())
    }

    /// Starts the daemon again, after its end, as it was started.
    pub(super) fn restart(&mut self) -> Result<()> {
        let words: Vec<&str> = self.options.iter().map(String::as_str).collect();
        self.daemon.restart(&words)
    }
}
