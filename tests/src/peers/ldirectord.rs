//! ldirectord with `quiescent=yes`: a server whose check fails stays in the table at weight 0.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Look, Task, Wells, question};
use crate::world::{VIP, World};

/// Where it writes its process id, whatever the configuration says.
const PID_FOLDER: &str = "/var/run";

pub(super) fn prepare(task: &Task, world: &World, wells: &Wells, folder: &Path) -> Result<Command> {
    fs::create_dir_all(PID_FOLDER).with_context(|| format!("cannot make {PID_FOLDER}"))?;
    // It is told the service and the server: address and port of each.
    let check = folder.join("check");
    let looks = match task.look {
        Look::Wells => format!("test -e {}", wells.named("$3").display()),
        Look::Dns => format!("dig +time=1 +tries=1 @$3 -p $4 {} A", question()),
    };
    fs::write(&check, format!("#!/bin/sh\nexec {looks} >/dev/null\n")).context("cannot write a check")?;
    fs::set_permissions(&check, Permissions::from_mode(0o755)).context("cannot make a check a program")?;
    let path = folder.join("ldirectord.cf");
    fs::write(&path, configuration(task, world, &check)).context("cannot write a configuration")?;
    let mut command = Command::new("ldirectord");
    command.arg(&path).arg("start");
    Ok(command)
}

fn configuration(task: &Task, world: &World, check: &Path) -> String {
    let Task {
        port, weight, every, ..
    } = task;
    let mut text = format!(
        "checktimeout=2\ncheckinterval={every}\ncheckcount=1\nautoreload=no\nquiescent=yes\nsupervised=yes\n\
         virtual={VIP}:{port}\n"
    );
    for (_, machine) in world.servers() {
        let _ = writeln!(text, "\treal={}:{port} gate {weight}", machine.address());
    }
    let _ = writeln!(
        text,
        "\tscheduler=rr\n\tprotocol=udp\n\tchecktype=external\n\tcheckcommand={}",
        check.display()
    );
    text
}
