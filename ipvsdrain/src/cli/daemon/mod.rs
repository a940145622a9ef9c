//! `ipvsdrain daemon`: from nothing to serving, and to a bounded end.

mod configured;
mod exporter;
mod options;
mod service_manager;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::info;

use self::configured::Configured;
use self::options::{Options, Setup};
use super::netns;
use crate::api::access::Access;
use crate::api::server::Server;
use crate::check;
use crate::clock;
use crate::health::Finding;
use crate::hook;
use crate::maintenance;
use crate::supervise::journal::{Keeper, Lock};
use crate::supervise::{Command, Handle, Linux, Supervisor, clean};

/// So many results of checks may wait; more wait for these.
const FINDINGS: usize = 256;

/// Run the daemon: it watches, decides and acts. Needs `CAP_NET_ADMIN`, `CAP_BPF`, `CAP_PERFMON` and
/// `CAP_SYSLOG`, or root.
#[derive(Debug, Args)]
pub(super) struct Daemon {
    /// Read the configuration from this file (TOML) instead of /etc/ipvsdrain/config.toml, which need not be there.
    /// SIGHUP reads it again.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// Look after the IPVS of this network namespace instead of the one it is started in: a name that
    /// `ip netns list` shows, or a path with a slash such as /proc/PID/ns/net. Needs `CAP_SYS_ADMIN`. Each namespace
    /// has a daemon of its own, with its own --socket and --state.
    #[arg(long, value_name = "NAME|PATH")]
    netns: Option<String>,
    /// Take everything that a daemon left in the kernel out of it, say what it was, and do nothing else: all that is
    /// pinned, of every network namespace, and the filters on the interfaces of this one.
    #[arg(long)]
    clean: bool,
}

impl Daemon {
    /// Enters the network namespace it was given. Comes before everything else: sockets, sysctls and the threads of
    /// the runtime belong to the namespace in which they begin.
    pub(super) fn enter_netns(&self) -> anyhow::Result<()> {
        self.netns.as_deref().map_or(Ok(()), netns::enter)
    }

    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let configured = Configured::read(self.config)?;
        let config = configured.current().borrow().clone();
        let setup = self.options.over(&config.settings.daemon);
        super::logging::start(setup.log);
        if self.clean {
            let _lock = Lock::take(&setup.state)?;
            return cleaned(&setup.pins);
        }
        configured.say();
        let Setup {
            socket,
            group,
            read_group,
            state,
            sources,
            ..
        } = setup;
        let access = Access::at(&socket).for_groups(group.as_deref(), read_group.as_deref())?;
        let journal = Keeper::at(&state)?;
        let kernel = Linux::connect(sources).await?;
        let boot_id = clock::boot_id().context("read /proc/sys/kernel/random/boot_id")?;
        let supervisor =
            Supervisor::resume(kernel, journal, boot_id, clock::now_unix).with_rules(config.rules);
        let (handle, inbox) = supervisor.handle();
        let web = exporter::bind(&configured, &handle).await?;
        let server = Server::bind(&access, handle.clone()).await?;
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let hang_up = listen(SignalKind::hangup())?;
        let stop = async {
            let by = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            let status = goodbye(&handle);
            info!("stopping ({by}): {status}");
            service_manager::stopping(&status);
        };
        info!(socket = %socket.display(), state = %state.display(), "ready");
        service_manager::ready();
        tokio::select! {
            () = supervisor.run(inbox, stop) => {}
            ended = server.serve() => ended.context("serve the API")?,
            ended = exporter::serve(web) => ended.context("serve the metrics")?,
            () = beside(&configured, &handle, hang_up) => {}
        }
        for door in [&access.acting, &access.reading] {
            fs::remove_file(&door.path).with_context(|| format!("remove {}", door.path.display()))?;
        }
        info!("stopped; drains that are not over resume at the next start");
        Ok(ExitCode::SUCCESS)
    }
}

fn listen(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).with_context(|| format!("listen for signal {}", kind.as_raw_value()))
}

/// What goes on beside the supervisor, and asks it like any client does. None of it ends before that does.
async fn beside(configured: &Configured, handle: &Handle, hang_up: Signal) {
    let (found, mut findings) = mpsc::channel(FINDINGS);
    tokio::join!(
        service_manager::keep_told(handle.clone()),
        reload_on(hang_up, configured, handle),
        maintenance::follow(configured.current(), handle.clone()),
        hook::tell(configured.current(), handle.clone()),
        check::follow(configured.current(), handle.clone(), found),
        hand_on(&mut findings, handle),
        std::future::pending::<()>(),
    );
}

/// What the checks find goes to the supervisor, in its order.
async fn hand_on(findings: &mut mpsc::Receiver<Finding>, handle: &Handle) {
    while let Some(finding) = findings.recv().await {
        if handle.commands.send(Command::Hear { finding }).await.is_err() {
            return;
        }
    }
}

async fn reload_on(mut hang_up: Signal, configured: &Configured, handle: &Handle) {
    while hang_up.recv().await.is_some() {
        service_manager::reloading();
        let outcome = configured.reload(handle).await;
        service_manager::reloaded(&outcome);
    }
}

/// What becomes of the drains when the daemon stops.
fn goodbye(handle: &Handle) -> String {
    let drains = handle.drains.borrow();
    match drains.iter().filter(|record| !record.is_over()).count() {
        0 => "no drain under way".to_owned(),
        1 => "1 drain under way resumes at the next start".to_owned(),
        many => format!("{many} drains under way resume at the next start"),
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
