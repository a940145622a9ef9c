//! keepalived, its checks alone, with `inhibit_on_failure` or without.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use ipvsdrain::identity::Protocol;

use super::{Look, Peer, Program, Task, Wells, question};
use crate::world::{Forwarding, VIP};

const FILE: &str = "keepalived.conf";

pub(super) fn command(folder: &Path) -> Command {
    let mut command = Command::new("keepalived");
    command
        .args(["--check", "--dont-fork", "--log-console", "--use-file"])
        .arg(folder.join(FILE));
    for (option, name) in [
        ("--pid", "pid"),
        ("--checkers_pid", "checkers"),
        ("--vrrp_pid", "vrrp"),
    ] {
        command.arg(option).arg(folder.join(name));
    }
    command
}

pub(super) fn configure(program: &Program, servers: &[Ipv4Addr], wells: &Wells, folder: &Path) -> Result<()> {
    fs::write(folder.join(FILE), configuration(program, servers, wells))
        .context("cannot write a configuration")
}

fn configuration(program: &Program, servers: &[Ipv4Addr], wells: &Wells) -> String {
    let Task {
        port, weight, every, ..
    } = program.task;
    let method = match program.task.forwarding {
        Forwarding::Masquerade => "NAT",
        Forwarding::DirectRoute => "DR",
        Forwarding::Tunnel | Forwarding::Gue | Forwarding::Gre => "TUN",
    };
    let protocol = match program.task.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    };
    let mut text = format!(
        "global_defs {{\n script_user root\n}}\n\
         virtual_server {VIP} {port} {{\n delay_loop {every}\n lvs_sched rr\n lvs_method {method}\n protocol {protocol}\n"
    );
    if let Some(seconds) = program.task.persistent {
        let _ = writeln!(text, " persistence_timeout {seconds}");
    }
    let inhibit = match program.peer {
        Peer::KeepalivedInhibit => "  inhibit_on_failure\n",
        _ => "",
    };
    for address in servers {
        let _ = write!(
            text,
            " real_server {address} {port} {{\n  weight {weight}\n{inhibit}  {}\n }}\n",
            check(&program.task, wells, *address)
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
