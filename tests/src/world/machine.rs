//! A machine of the world: a network namespace with a name and an address.
//!
//! Owns running things inside it: closures, programs, sysctls.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use anyhow::{Context, Result};
use aya::programs::tc::qdisc_add_clsact;
use ipvsdrain::identity::Family;

use super::{Namespace, six};
use crate::process::{self, Process};

/// A network namespace that plays one part.
#[derive(Debug)]
pub struct Machine {
    name: String,
    address: Ipv4Addr,
    namespace: Namespace,
}

impl Machine {
    pub(super) fn new(name: &str, address: Ipv4Addr) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            address,
            namespace: Namespace::create()?,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own address on the bridge.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Its own address of this family; an IPv6 one only exists in a world with both.
    pub fn address_in(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.address.into(),
            Family::V6 => six::twin(self.address).into(),
        }
    }

    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Runs `work` inside and returns its result.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.namespace.within(work)
    }

    /// Runs a program inside to its end and returns its standard output; `input` is its standard input.
    pub fn run(&self, program: &str, args: &[&str], input: &str) -> Result<String> {
        self.within(|| process::run(Command::new(program).args(args), input))
            .with_context(|| format!("in namespace {}", self.name))
    }

    /// Starts a program inside and leaves it running.
    pub fn start(&self, command: &mut Command) -> Result<Process> {
        self.within(|| Process::start(command))
            .with_context(|| format!("in namespace {}", self.name))
    }

    /// Runs a program where this process runs.
    pub(super) fn host(program: &str, args: &[&str]) -> Result<String> {
        process::run(Command::new(program).args(args), "")
    }

    /// Runs lines of `ip` in one process.
    pub fn ip(&self, lines: &str) -> Result<()> {
        self.run("ip", &["-batch", "-"], lines).map(drop)
    }

    /// Gives `eth0` the queueing discipline that classifiers need before 6.6. The daemon never does: what the machine
    /// sends at that moment may be lost.
    pub fn add_clsact(&self) -> Result<()> {
        self.within(|| qdisc_add_clsact("eth0"))
            .with_context(|| format!("cannot add clsact in namespace {}", self.name))
    }

    /// Reads a file that shows this machine's network, such as `/proc/thread-self/net/ip_vs`.
    pub fn read(&self, path: &str) -> Result<String> {
        self.within(|| fs::read_to_string(path))
            .with_context(|| format!("cannot read {path} in namespace {}", self.name))
    }

    /// Reads a sysctl by its dotted name.
    pub fn sysctl(&self, name: &str) -> Result<String> {
        Ok(self.read(&sysctl_path(name))?.trim().to_owned())
    }

    /// Writes one sysctl.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<()> {
        self.within(|| fs::write(sysctl_path(name), value))
            .with_context(|| format!("cannot set {name}={value} in namespace {}", self.name))
    }

    /// Writes sysctls in order, in one visit. Those of IPv6 may be missing: then there is no IPv6 to quieten.
    pub(super) fn set_sysctls(&self, settings: &[(String, &str)]) -> Result<()> {
        self.within(|| {
            for (name, value) in settings {
                match fs::write(sysctl_path(name), value) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound && name.contains("ipv6") => {}
                    written => written.with_context(|| format!("cannot set {name}={value}"))?,
                }
            }
            anyhow::Ok(())
        })
        .with_context(|| format!("in namespace {}", self.name))
    }
}

fn sysctl_path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}
