//! `documented`: the examples of the documentation that need a daemon, run in order on a real kernel. Each ends with 0 and
//! prints what the page says.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::documents::{blocks, examples};
use crate::ledger::Server;
use crate::process;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, Traffic, UdpFlow};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "documented",
    about: "every example of the documentation does on a real kernel what the page says",
    programs: &[],
    observes: true,
    run,
};

const PAGES: [(&str, &str); 2] = [
    ("docs/cli.md", include_str!("../../../docs/cli.md")),
    ("docs/operations.md", include_str!("../../../docs/operations.md")),
];
const DNS: u16 = 53;
const SYSLOG: u16 = 514;
/// One for each syslog server.
const SENDERS: u16 = 2;

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 3)?;
    let addresses = || world.servers().map(|(_, machine)| machine.address());
    let director = world.director();
    director.balance(Protocol::Udp, DNS, "rr", Forwarding::DirectRoute, addresses())?;
    director.balance(
        Protocol::Udp,
        SYSLOG,
        "rr",
        Forwarding::DirectRoute,
        addresses().take(usize::from(SENDERS)),
    )?;
    let mut traffic = Traffic::new(&world);
    traffic.receive_udp(SYSLOG, Replies::None)?;
    let senders = (0..SENDERS).map(|number| UdpFlow {
        starts: Duration::ZERO,
        lasts: None,
        every: Duration::from_millis(500),
        source_port: Some(40_001 + number),
    });
    traffic.send_udp(SYSLOG, Replies::None, senders)?;
    let both = traffic.ledger().wait_until(Duration::from_secs(30), |account| {
        (1..=SENDERS).all(|server| account.last_receipt(Server(server)).is_some())
    });
    ensure!(
        both,
        "not every syslog server has a sender: {:?}",
        director.table()?
    );
    let daemon = Daemon::start(&world, &[])?;
    daemon.publish()?;

    let mut run = 0;
    for (page, text) in PAGES {
        for block in blocks(text).iter().filter(|block| block.mark == "console") {
            for example in examples(block.body) {
                stage.progress(json!({"page": page, "command": example.command}));
                let mut command = Command::new("sh");
                command.args(["-c", &format!("exec 2>&1\n{}", example.command)]);
                let output = director.machine().within(|| process::output(&mut command, ""))?;
                let printed = String::from_utf8_lossy(&output.stdout);
                ensure!(
                    output.status.success(),
                    "{page}: `{}` ended with {}: {printed}",
                    example.command,
                    output.status
                );
                let difference = example.differs(&printed);
                ensure!(difference.is_none(), "{page}: {}", difference.unwrap_or_default());
                run += 1;
            }
        }
    }
    let account = traffic.finish()?;
    ensure!(
        account.lost() == 0,
        "{} datagrams were lost: {}",
        account.lost(),
        account.faults(5)
    );
    // Made by an example.
    let made = Path::new("/var/lib/ipvsdrain");
    std::fs::remove_dir(made).with_context(|| format!("`doctor --fix` did not make {}", made.display()))?;
    Ok(json!({"examples": run, "datagrams": account.sent()}))
}
