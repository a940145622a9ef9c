//! ldirectord: with `quiescent=yes` a server whose check fails stays in the table at weight 0; as it is by default it is
//! deleted, as is one that is named in the `maintenancedir`.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Look, Peer, Program, Task, Wells, question};
use crate::world::{Forwarding, VIP};

/// Where it writes its process id, whatever the configuration says: in a file named after its configuration.
const PID_FOLDER: &str = "/var/run";

pub(super) fn command(folder: &Path) -> Result<Command> {
    fs::create_dir_all(PID_FOLDER).with_context(|| format!("cannot make {PID_FOLDER}"))?;
    let mut command = Command::new("ldirectord");
    command.arg(file(folder)).arg("start");
    Ok(command)
}

/// Where servers are named that are to be taken out.
pub(super) fn maintenance(folder: &Path) -> PathBuf {
    folder.join("maintenance")
}

pub(super) fn configure(program: &Program, servers: &[Ipv4Addr], wells: &Wells, folder: &Path) -> Result<()> {
    // It is told the service and the server: address and port of each.
    let check = folder.join("check");
    let looks = match program.task.look {
        Look::Wells => format!("test -e {}", wells.named("$3").display()),
        Look::Dns => format!("dig +time=1 +tries=1 @$3 -p $4 {} A", question()),
    };
    fs::write(&check, format!("#!/bin/sh\nexec {looks} >/dev/null\n")).context("cannot write a check")?;
    fs::set_permissions(&check, Permissions::from_mode(0o755)).context("cannot make a check a program")?;
    fs::create_dir_all(maintenance(folder)).context("cannot make a maintenancedir")?;
    fs::write(file(folder), configuration(program, servers, folder)).context("cannot write a configuration")
}

/// Of a name that no other one running has.
fn file(folder: &Path) -> PathBuf {
    let own = folder.file_name().unwrap_or_default().to_string_lossy();
    let own: String = own.chars().filter(char::is_ascii_alphanumeric).collect();
    folder.join(format!("ldirectord-{own}.cf"))
}

fn configuration(program: &Program, servers: &[Ipv4Addr], folder: &Path) -> String {
    let Task {
        port,
        weight,
        every,
        protocol,
        ..
    } = program.task;
    let way = match program.peer {
        Peer::LdirectordMaintenance => {
            format!("quiescent=no\nmaintenancedir={}\n", maintenance(folder).display())
        }
        _ => "quiescent=yes\n".to_owned(),
    };
    let method = match program.task.forwarding {
        Forwarding::Masquerade => "masq",
        Forwarding::DirectRoute => "gate",
        Forwarding::Tunnel | Forwarding::Gue | Forwarding::Gre => "ipip",
    };
    let mut text = format!(
        "checktimeout=2\ncheckinterval={every}\ncheckcount=1\nautoreload=no\n{way}supervised=yes\n\
         virtual={VIP}:{port}\n"
    );
    for address in servers {
        let _ = writeln!(text, "\treal={address}:{port} {method} {weight}");
    }
    if let Some(seconds) = program.task.persistent {
        let _ = writeln!(text, "\tpersistent={seconds}");
    }
    let _ = writeln!(
        text,
        "\tscheduler=rr\n\tprotocol={protocol}\n\tchecktype=external\n\tcheckcommand={}",
        folder.join("check").display()
    );
    text
}
