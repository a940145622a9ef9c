//! keepalived, its checks alone, with `inhibit_on_failure`.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Look, Task, Wells, question};
use crate::world::{VIP, World};

pub(super) fn prepare(task: &Task, world: &World, wells: &Wells, folder: &Path) -> Result<Command> {
    let path = folder.join("keepalived.conf");
    fs::write(&path, configuration(task, world, wells)).context("cannot write a configuration")?;
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

fn configuration(task: &Task, world: &World, wells: &Wells) -> String {
    let Task {
        port, weight, every, ..
    } = task;
    let mut text = format!(
        "global_defs {{\n script_user root\n}}\n\
         virtual_server {VIP} {port} {{\n delay_loop {every}\n lvs_sched rr\n lvs_method DR\n protocol UDP\n"
    );
    for (_, machine) in world.servers() {
        let address = machine.address();
        let _ = write!(
            text,
            " real_server {address} {port} {{\n  weight {weight}\n  inhibit_on_failure\n  {}\n }}\n",
            check(task, wells, address)
        );
    }
    text + "}\n"
}

fn check(task: &Task, wells: &Wells, address: Ipv4Addr) -> String {
    match task.look {
        Look::Wells => format!(
            "MISC_CHECK {{\n   misc_path \"/usr/bin/test -e {}\"\n   misc_timeout 5\n  }}",
            wells.path(address).display()
        ),
        Look::Dns => format!(
            "DNS_CHECK {{\n   connect_timeout 1\n   retry 0\n   type A\n   name {}\n  }}",
            question()
        ),
    }
}
