//! keepalived, its checks alone, with `inhibit_on_failure`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::super::setting::PORT;
use super::{WEIGHT, well};
use crate::world::{VIP, World};

pub(super) fn prepare(world: &World, folder: &Path) -> Result<Command> {
    let path = folder.join("keepalived.conf");
    fs::write(&path, configuration(world, folder)).context("cannot write a configuration")?;
    let mut command = Command::new("keepalived");
    command
        .args(["--check", "--dont-fork", "--log-console", "--use-file"])
        .arg(&path);
    for (option, name) in [
        ("--pid", "pid"),
        ("--checkers_pid", "checkers"),
        ("--vrrp_pid", "vrrp"),
    ] {
        command.arg(option).arg(folder.join(name));
    }
    Ok(command)
}

fn configuration(world: &World, folder: &Path) -> String {
    let mut text = format!(
        "global_defs {{\n script_user root\n}}\n\
         virtual_server {VIP} {PORT} {{\n delay_loop 2\n lvs_sched rr\n lvs_method DR\n protocol UDP\n"
    );
    for (_, machine) in world.servers() {
        let address = machine.address();
        let _ = write!(
            text,
            " real_server {address} {PORT} {{\n  weight {WEIGHT}\n  inhibit_on_failure\n  \
             MISC_CHECK {{\n   misc_path \"/usr/bin/test -e {}\"\n   misc_timeout 5\n  }}\n }}\n",
            well(folder, address).display()
        );
    }
    text + "}\n"
}
