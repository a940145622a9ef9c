//! unbound on a real server, with a few names of its own: asked for these, it needs nobody else.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddrV4;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::clock;
use crate::dns::{self, NAMES, ZONE};
use crate::ledger::Server;
use crate::process::Process;
use crate::world::World;

/// A server that has not answered by then never will.
const START_LIMIT: Duration = Duration::from_mins(1);

/// A running recursor; dropping it ends it.
#[derive(Debug)]
pub(super) struct Recursor {
    server: Server,
    process: Option<Process>,
    folder: TempDir,
    listen: SocketAddrV4,
}

impl Recursor {
    /// Starts one and waits until it answers.
    pub(super) fn start(world: &World, server: Server, port: u16) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder for unbound")?;
        let mut recursor = Self {
            server,
            process: None,
            folder,
            listen: world.listen_address(server, port),
        };
        recursor.write_configuration(world)?;
        recursor.launch(world)?;
        Ok(recursor)
    }

    /// Ends it as a power cut would.
    pub(super) fn kill(&mut self) -> Result<()> {
        let Some(process) = self.process.take() else {
            return Ok(());
        };
        process.signal(Signal::SIGKILL)?;
        if !process.await_end(START_LIMIT)? {
            bail!("unbound survives SIGKILL for {START_LIMIT:?}");
        }
        Ok(())
    }

    pub(super) fn launch(&mut self, world: &World) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))?;
        let mut command = Command::new("unbound");
        command
            .args(["-d", "-p", "-c"])
            .arg(self.folder.path().join("unbound.conf"));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let machine = world.server(self.server);
        let mut process = machine.start(&mut command)?;
        let deadline = clock::now() + START_LIMIT;
        let listen = self.listen;
        let name = format!("host0.{ZONE}");
        while !machine.within(|| dns::answered(listen, &name, Duration::from_millis(100)))? {
            if process.ended()?.is_some() || clock::now() > deadline {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                bail!("unbound does not answer on {listen} in {}: {log}", machine.name());
            }
        }
        self.process = Some(process);
        Ok(())
    }

    /// It answers on the machine's own address as well: there it is asked whether it is well.
    fn write_configuration(&self, world: &World) -> Result<()> {
        let place = self.folder.path().display();
        let own = world.server(self.server).address();
        let mut text = format!(
            "server:\n interface: {}\n interface: {own}\n port: {}\n access-control: 0.0.0.0/0 allow\n do-ip6: no\n \
             username: \"\"\n chroot: \"\"\n directory: \"{place}\"\n pidfile: \"\"\n use-syslog: no\n num-threads: 1\n \
             module-config: \"iterator\"\n local-zone: \"{ZONE}.\" static\n",
            self.listen.ip(),
            self.listen.port(),
        );
        for number in 0..NAMES {
            let _ = writeln!(text, " local-data: \"host{number}.{ZONE}. A 192.0.2.{number}\"");
        }
        text += "remote-control:\n control-enable: no\n";
        fs::write(self.folder.path().join("unbound.conf"), text)
            .context("cannot write unbound's configuration")
    }
}
