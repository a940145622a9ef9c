//! `top-shown`: `ipvsdrain top` in a terminal shows a drain that begins, goes on when the daemon is gone, and ends with q.
//! Without a terminal it says so, and ends with 2.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use nix::pty::{Winsize, openpty};
use serde_json::{Value, json};

use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::process::{self, Process};
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "top-shown",
    about: "top shows a drain as it begins, survives the daemon, and ends with q; without a terminal it ends with 2",
    programs: &[],
    observes: true,
    run,
};

const LIMIT: Duration = Duration::from_mins(1);
const SIZE: Winsize = Winsize {
    ws_row: 30,
    ws_col: 120,
    ws_xpixel: 0,
    ws_ypixel: 0,
};

fn run(_: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    let addresses = world.servers().map(|(_, machine)| machine.address());
    let service = world
        .director()
        .balance(Protocol::Udp, 53, "rr", Forwarding::DirectRoute, addresses)?;
    let place = world.place(service, Server(1), 53);
    let mut daemon = Daemon::start(&world, &[])?;
    daemon.publish()?;

    let output = process::output(Command::new("ipvsdrain").arg("top"), "")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(2) && said.contains("needs a terminal"),
        "without a terminal it ended with {}: {said}",
        output.status
    );

    let terminal = openpty(&SIZE, None).context("cannot open a terminal")?;
    let (ours, theirs) = (File::from(terminal.master), File::from(terminal.slave));
    let mut command = Command::new("ipvsdrain");
    command
        .arg("top")
        .env("TERM", "xterm")
        .stdin(Stdio::from(theirs.try_clone()?))
        .stdout(Stdio::from(theirs.try_clone()?))
        .stderr(Stdio::from(theirs));
    let top = Process::start(&mut command)?;
    // The command keeps its own handles on the terminal.
    drop(command);
    let screen = Screen::read(ours.try_clone()?);
    screen.await_text("pooled")?;

    let drain = daemon.begin_drain(place, &[])?;
    screen.await_text("drains under way 1")?;
    screen.await_text(&format!("{} {}", place.service, place.server))?;
    let end = drain.finish(LIMIT)?;
    ensure!(
        end.code == Some(0),
        "the drain ended with {:?}: {:?}",
        end.code,
        end.drain
    );
    screen.await_text("removed")?;

    daemon.stop()?;
    screen.await_text("no answer")?;
    (&ours).write_all(b"q").context("cannot type")?;
    let output = top.finish(LIMIT)?;
    ensure!(
        output.status.code() == Some(0),
        "q ended it with {}",
        output.status
    );
    Ok(json!({"shown": place.server}))
}

/// What the terminal shows, as a person would see it.
struct Screen {
    shown: Arc<Mutex<vt100::Parser>>,
}

impl Screen {
    fn read(mut terminal: File) -> Self {
        let shown = Arc::new(Mutex::new(vt100::Parser::new(SIZE.ws_row, SIZE.ws_col, 0)));
        let sink = Arc::clone(&shown);
        thread::spawn(move || {
            let mut room = [0; 4096];
            // It ends with the last program on the other end.
            while let Ok(length) = terminal.read(&mut room) {
                if length == 0 {
                    break;
                }
                sink.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .process(&room[..length]);
            }
        });
        Self { shown }
    }

    fn text(&self) -> String {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.screen().contents()
    }

    fn await_text(&self, wanted: &str) -> Result<()> {
        let deadline = clock::now() + LIMIT;
        while !self.text().contains(wanted) {
            ensure!(
                clock::now() < deadline,
                "`{wanted}` is not on the screen:\n{}",
                self.text()
            );
            clock::pass(Duration::from_millis(100));
        }
        Ok(())
    }
}
