//! nginx on every real server: a short answer, and a long one at a slow rate.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::{DOWNLOAD, DOWNLOAD_BYTES, DOWNLOAD_PER_SECOND};
use crate::clock;
use crate::process::Process;
use crate::world::{Machine, World};

/// A server that does not accept by then never will.
const START_LIMIT: Duration = Duration::from_mins(1);

/// The running servers, one per real server; dropping them ends them.
#[derive(Debug)]
pub struct Servers {
    _running: Vec<(Process, TempDir)>,
}

impl Servers {
    /// Starts one on every real server and waits until each accepts.
    pub fn start(world: &World, port: u16) -> Result<Self> {
        let mut running = Vec::new();
        for (server, machine) in world.servers() {
            let folder = TempDir::new().context("cannot make a folder for nginx")?;
            let listen = world.listen_address(server, port);
            write_configuration(folder.path(), listen)?;
            let mut process = launch(machine, folder.path())?;
            machine
                .within(|| await_open(&mut process, listen))
                .with_context(|| format!("nginx said: {}", read_log(folder.path())))
                .with_context(|| format!("nginx is not up on {listen} in {}", machine.name()))?;
            running.push((process, folder));
        }
        Ok(Self { _running: running })
    }
}

fn launch(machine: &Machine, folder: &Path) -> Result<Process> {
    let log = File::create(folder.join("log"))?;
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(folder.join("nginx.conf"))
        .args(["-e", "stderr"]);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    machine.start(&mut command)
}

fn await_open(process: &mut Process, listen: SocketAddrV4) -> Result<()> {
    let deadline = clock::now() + START_LIMIT;
    while TcpStream::connect(listen).is_err() {
        if process.await_end(Duration::from_millis(50))? {
            bail!("it ended");
        }
        if clock::now() > deadline {
            bail!("it does not accept within {START_LIMIT:?}");
        }
    }
    Ok(())
}

/// One process, and nothing outside `folder` is written.
fn write_configuration(folder: &Path, listen: SocketAddrV4) -> Result<()> {
    let place = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!(" {name}_temp_path {place}/{name};\n"))
        .concat();
    let configuration = format!(
        "daemon off;\nmaster_process off;\npid {place}/pid;\nerror_log stderr;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n access_log off;\n{temporary} server {{\n  listen {listen};\n  root {place};\n\
         \x20 location / {{ return 200 \"well\\n\"; }}\n\
         \x20 location {DOWNLOAD} {{ limit_rate {DOWNLOAD_PER_SECOND}; }}\n }}\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), configuration).context("cannot write nginx's configuration")?;
    fs::write(
        folder.join(DOWNLOAD.trim_start_matches('/')),
        vec![b'x'; DOWNLOAD_BYTES],
    )
    .context("cannot write what is to be downloaded")
}

fn read_log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log"))
        .unwrap_or_else(|error| format!("(its log cannot be read: {error})"))
}

/// Where clients find the service.
pub(super) fn service(port: u16) -> SocketAddrV4 {
    let vip: Ipv4Addr = crate::world::VIP;
    SocketAddrV4::new(vip, port)
}
