//! The controller that everyone writes first: one failed check, and the server is deleted; one that passes, and it is
//! back.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::{Look, Task, Wells, question};
use crate::clock;
use crate::dns;
use crate::process;
use crate::traffic::Worker;
use crate::world::{VIP, World};

/// As long as the other peers wait for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn start(task: &Task, world: &World, wells: &Wells) -> Result<Worker> {
    let task = *task;
    let servers: Vec<Ipv4Addr> = world.servers().map(|(_, machine)| machine.address()).collect();
    let paths: BTreeMap<Ipv4Addr, _> = servers
        .iter()
        .map(|server| (*server, wells.path(*server)))
        .collect();
    Worker::start("hair trigger", world.director().machine(), move |stop| {
        let mut there: BTreeMap<Ipv4Addr, bool> = servers.iter().map(|server| (*server, true)).collect();
        let mut next = clock::now();
        while !stop.wait_until(next)? {
            next = next + Duration::from_secs(u64::from(task.every));
            for (server, is_there) in &mut there {
                let is_well = match task.look {
                    Look::Wells => paths[server].exists(),
                    Look::Dns => {
                        let at = SocketAddrV4::new(*server, task.port);
                        dns::answered(at, &question(), PATIENCE).unwrap_or(false)
                    }
                };
                if is_well != *is_there {
                    change(&task, *server, is_well)?;
                    *is_there = is_well;
                }
            }
        }
        Ok(())
    })
}

fn change(task: &Task, server: Ipv4Addr, add: bool) -> Result<()> {
    let Task { port, weight, .. } = task;
    let line = if add {
        format!("-a -u {VIP}:{port} -r {server}:{port} -g -w {weight}\n")
    } else {
        format!("-d -u {VIP}:{port} -r {server}:{port}\n")
    };
    process::run(Command::new("ipvsadm").arg("-R"), &line).map(drop)
}
