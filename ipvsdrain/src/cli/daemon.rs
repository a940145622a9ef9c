//! `ipvsdrain daemon`: from nothing to serving, and to a bounded end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, value_parser};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use super::netns;
use crate::api::DEFAULT_SOCKET;
use crate::api::server::Server;
use crate::clock;
use crate::config;
use crate::drain::Rules;
use crate::supervise::journal::{Keeper, Lock};
use crate::supervise::{Linux, Preference, Rung, Sources, Supervisor, clean};

/// Run the daemon: it watches, decides and acts. Needs `CAP_NET_ADMIN`, `CAP_BPF`, `CAP_PERFMON` and
/// `CAP_SYSLOG`, or root.
#[derive(Debug, Args)]
pub(super) struct Daemon {
    /// Read rules for drains from this file (TOML): policies, floor, adoption, shadow mode.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Folder of the journal.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/ipvsdrain")]
    state: PathBuf,
    /// Look after the IPVS of this network namespace instead of the one it is started in: a name that
    /// `ip netns list` shows, or a path with a slash such as /proc/PID/ns/net. Needs `CAP_SYS_ADMIN`. Each namespace
    /// has a daemon of its own, with its own --socket and --state.
    #[arg(long, value_name = "NAME|PATH")]
    netns: Option<String>,
    /// Load these eBPF programs instead of the embedded ones.
    #[arg(long, value_name = "PATH")]
    object: Option<PathBuf>,
    /// Read the layout of ip_vs from this BTF instead of the running kernel's.
    #[arg(long, value_name = "PATH")]
    module_btf: Option<PathBuf>,
    /// How many flows can be tracked at once, over all servers being drained: 16 bytes of kernel memory for each
    /// that there could be, 192 more for each that there is. [default: 262144]
    #[arg(long, value_name = "FLOWS", value_parser = value_parser!(u32).range(1_000..=MOST_FLOWS))]
    flow_capacity: Option<u32>,
    /// How to count what arrives, and so what is lost: `auto` (a TC classifier, else XDP), `xdp` (native, else
    /// generic, else a classifier), `xdp-generic` (generic, else a classifier) or `off`.
    #[arg(long, value_name = "HOW", default_value_t)]
    arrivals: Preference,
    /// Count arrivals on this interface alone; may be given more than once. [default: all that bring packets in]
    #[arg(long = "interface", value_name = "NAME")]
    interfaces: Vec<String>,
    /// Where what is counted outlives this daemon: a folder of a bpf file system.
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/ipvsdrain")]
    pins: PathBuf,
    /// Take everything that a daemon left in the kernel out of it, say what it was, and do nothing else: all that is
    /// pinned, of every network namespace, and the filters on the interfaces of this one.
    #[arg(long)]
    clean: bool,
    /// Hold drains rather than observe by less than this: `probes`, `arrivals` or `counters`.
    #[arg(long, value_name = "RUNG", default_value_t = Rung::Counters)]
    lowest_rung: Rung,
}

/// 3 GiB, if all of them are there.
const MOST_FLOWS: i64 = 1 << 24;

impl Daemon {
    /// Enters the network namespace it was given. Comes before everything else: sockets, sysctls and the threads of
    /// the runtime belong to the namespace in which they begin.
    pub(super) fn enter_netns(&self) -> anyhow::Result<()> {
        self.netns.as_deref().map_or(Ok(()), netns::enter)
    }

    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        super::logging::start();
        if self.clean {
            let _lock = Lock::take(&self.state)?;
            return cleaned(&self.pins);
        }
        let rules = self
            .config
            .as_deref()
            .map_or_else(|| Ok(Rules::default()), config::read)?;
        let journal = Keeper::at(&self.state)?;
        let sources = Sources {
            object: self.object,
            module_btf: self.module_btf,
            flow_capacity: self.flow_capacity,
            pins: Some(self.pins),
            arrivals: self.arrivals,
            interfaces: self.interfaces,
            lowest: Some(self.lowest_rung),
            ..Sources::default()
        };
        let kernel = Linux::connect(sources).await?;
        let boot_id = clock::boot_id().context("read /proc/sys/kernel/random/boot_id")?;
        let supervisor = Supervisor::resume(kernel, journal, boot_id, clock::now_unix).with_rules(rules);
        let (handle, inbox) = supervisor.handle();
        let server = Server::bind(&self.socket, handle).await?;
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let stop = async {
            let by = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            info!("stopping: {by}");
        };
        info!(socket = %self.socket.display(), state = %self.state.display(), "ready");
        tokio::select! {
            () = supervisor.run(inbox, stop) => {}
            ended = server.serve() => ended.context("serve the API")?,
        }
        fs::remove_file(&self.socket).with_context(|| format!("remove {}", self.socket.display()))?;
        info!("stopped; drains that are not over resume at the next start");
        Ok(ExitCode::SUCCESS)
    }
}

fn cleaned(pins: &Path) -> anyhow::Result<ExitCode> {
    let gone = clean(pins).map_err(anyhow::Error::msg)?;
    for line in &gone {
        println!("removed {line}");
    }
    if gone.is_empty() {
        println!("nothing was there");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        daemon: Daemon,
    }

    fn capacity(text: &str) -> Result<Option<u32>, String> {
        let line = Line::try_parse_from(["daemon", "--flow-capacity", text]);
        line.map(|line| line.daemon.flow_capacity)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_flow_capacity_out_of_range_is_refused_with_the_range() {
        assert_eq!(capacity("1000"), Ok(Some(1000)));
        assert_eq!(capacity("16777216"), Ok(Some(1 << 24)));
        for text in ["0", "999", "16777217", "many"] {
            let said = capacity(text).unwrap_err();
            assert!(said.contains("--flow-capacity"), "{said}");
        }
        assert!(capacity("999").unwrap_err().contains("1000..=16777216"));
    }
}
