//! ldirectord with `quiescent=yes`: a server whose check fails stays in the table at weight 0.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::super::setting::PORT;
use super::WEIGHT;
use crate::world::{VIP, World};

/// Where it writes its process id, whatever the configuration says.
const PID_FOLDER: &str = "/var/run";

pub(super) fn prepare(world: &World, folder: &Path) -> Result<Command> {
    fs::create_dir_all(PID_FOLDER).with_context(|| format!("cannot make {PID_FOLDER}"))?;
    // It is told the service and the server: address and port of each.
    let check = folder.join("check");
    let well = format!("{}/$3-is-well", folder.display());
    fs::write(&check, format!("#!/bin/sh\nexec test -e {well}\n")).context("cannot write a check")?;
    fs::set_permissions(&check, Permissions::from_mode(0o755)).context("cannot make a check a program")?;
    let path = folder.join("ldirectord.cf");
    fs::write(&path, configuration(world, &check)).context("cannot write a configuration")?;
    let mut command = Command::new("ldirectord");
    command.arg(&path).arg("start");
    Ok(command)
}

fn configuration(world: &World, check: &Path) -> String {
    let mut text = format!(
        "checktimeout=2\ncheckinterval=2\ncheckcount=1\nautoreload=no\nquiescent=yes\nsupervised=yes\n\
         virtual={VIP}:{PORT}\n"
    );
    for (_, machine) in world.servers() {
        let _ = writeln!(text, "\treal={}:{PORT} gate {WEIGHT}", machine.address());
    }
    let _ = writeln!(
        text,
        "\tscheduler=rr\n\tprotocol=udp\n\tchecktype=external\n\tcheckcommand={}",
        check.display()
    );
    text
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::well;
    use super::*;

    #[test]
    fn the_check_names_the_file_by_the_address_it_is_told() {
        let path = well(Path::new("/x"), Ipv4Addr::new(10, 1, 0, 5));
        assert_eq!(path, Path::new("/x/10.1.0.5-is-well"));
    }
}
