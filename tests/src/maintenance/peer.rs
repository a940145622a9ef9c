//! Programs that keep the table by a configuration of theirs: keepalived and ldirectord, each in two ways.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::moment::Moment;

use super::{Service, Strategy};
use crate::clock;
use crate::ledger::Server;
use crate::peers::{Look, Peer, Running, Task, Wells};
use crate::world::{Place, World};

/// How long its user leaves a server at weight 0.
const USERS_PATIENCE: Duration = Duration::from_mins(1);
/// Seconds from one check to the next.
const EVERY: u32 = 5;
const LOOKS: Duration = Duration::from_millis(250);
/// All servers are in the table by then, and a change is in it.
const SETTLING: Duration = Duration::from_mins(1);

/// One of them at work.
#[derive(Debug)]
pub(super) struct Kept {
    strategy: Strategy,
    running: Running,
    wells: Wells,
}

impl Kept {
    /// Starts it and waits until all servers are in the table with a weight. None if no program keeps the table.
    pub(super) fn start(strategy: Strategy, world: &World, service: Service) -> Result<Option<Self>> {
        let peer = match strategy {
            Strategy::KeepalivedReload => Peer::Keepalived,
            Strategy::KeepalivedInhibit => Peer::KeepalivedInhibit,
            Strategy::LdirectordQuiescent => Peer::LdirectordQuiescent,
            Strategy::LdirectordMaintenance => Peer::LdirectordMaintenance,
            _ => return Ok(None),
        };
        let wells = Wells::new(world)?;
        let task = Task {
            every: EVERY,
            protocol: service.protocol,
            forwarding: world.forwarding(),
            persistent: service.persistent,
            ..Task::udp(service.port, Look::Wells)
        };
        let running = Running::start(peer, &task, world, &wells)?;
        let kept = Self {
            strategy,
            running,
            wells,
        };
        for (server, _) in world.servers() {
            let place = service.place(world, server);
            await_weight(world, place, |weight| weight.is_some_and(|weight| weight > 0))
                .with_context(|| kept.running.log())?;
        }
        Ok(Some(kept))
    }

    /// When it was out of the table. ldirectord ends then: it has nothing more to do, and its checks of the other server, each of
    /// which starts a program, are a third of what a guest is busy with.
    pub(super) fn take_out(&self, world: &World, server: Server, place: Place) -> Result<Moment> {
        let gone = self
            .ask(world, server, place)
            .and_then(|()| await_weight(world, place, |weight| weight.is_none()))
            .with_context(|| self.running.log())?;
        if matches!(
            self.strategy,
            Strategy::LdirectordQuiescent | Strategy::LdirectordMaintenance
        ) {
            self.running.crash()?;
        }
        Ok(gone)
    }

    /// Does what its user does, up to what the program makes of it.
    fn ask(&self, world: &World, server: Server, place: Place) -> Result<()> {
        let machine = world.server(server);
        match self.strategy {
            Strategy::LdirectordMaintenance => return self.running.maintain(machine),
            Strategy::KeepalivedInhibit | Strategy::LdirectordQuiescent => {
                self.wells.set(machine, false)?;
                await_weight(world, place, |weight| weight == Some(0))?;
                clock::pass(USERS_PATIENCE);
            }
            _ => {}
        }
        self.running.configure_without(server, world, &self.wells)
    }
}

/// Waits until the weight is as wanted, none being out of the table; returns when.
fn await_weight(world: &World, place: Place, is_wanted: impl Fn(Option<i32>) -> bool) -> Result<Moment> {
    let deadline = clock::now() + SETTLING;
    loop {
        let row = world.director().row(place)?;
        if is_wanted(row.as_ref().map(|row| row.weight)) {
            return Ok(clock::now());
        }
        ensure!(
            clock::now() < deadline,
            "{place} is not as wanted after {SETTLING:?}: {row:?}"
        );
        clock::pass(LOOKS);
    }
}
