//! What these scenarios share: a service whose first server is really there and has all the traffic, and the verbs that
//! drain it and bring it back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::api::DrainView;
use ipvsdrain::identity::Protocol;

use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::world::{Forwarding, Place, World};

const LIMIT: Duration = Duration::from_mins(1);

/// A service with two real servers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'world> {
    pub(super) world: &'world World,
    /// Has the traffic.
    pub(super) this: Place,
    pub(super) neighbour: Place,
}

impl<'world> Setting<'world> {
    /// In a world of two servers.
    pub(super) fn of(world: &'world World, protocol: Protocol, port: u16) -> Result<Self> {
        let addresses = world.servers().map(|(_, machine)| machine.address());
        let service = world
            .director()
            .balance(protocol, port, "rr", Forwarding::DirectRoute, addresses)?;
        Ok(Self {
            world,
            this: world.place(service, Server(1), port),
            neighbour: world.place(service, Server(2), port),
        })
    }

    /// Does `work`; the flows that begin in it are those of this server.
    pub(super) fn at_this<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let director = self.world.director();
        director.set_weight(self.neighbour, 0)?;
        let done = work()?;
        director.set_weight(self.neighbour, 1)?;
        Ok(done)
    }
}

/// `ipvsdrain drain`, which does not wait.
pub(super) fn drain(daemon: &Daemon, place: Place, options: &[&str]) -> Result<()> {
    let (service, server) = (place.service.to_string(), place.server.to_string());
    let end = daemon.says(&[&["drain", &service, &server], options].concat())?;
    ensure!(
        end.code == Some(0),
        "the drain of {place} is refused: {}",
        end.said
    );
    Ok(())
}

/// `ipvsdrain restore`, until nothing of the drain is left.
pub(super) fn restore(daemon: &Daemon, place: Place) -> Result<()> {
    daemon.restore(place)?;
    await_drain(daemon, place, |drain| drain.over).map(drop)
}

/// The newest drain of a server, once it is as wanted.
pub(super) fn await_drain(
    daemon: &Daemon,
    place: Place,
    wanted: impl Fn(&DrainView) -> bool,
) -> Result<DrainView> {
    let deadline = clock::now() + LIMIT;
    loop {
        let drain = daemon.drain(place)?;
        if wanted(&drain) {
            return Ok(drain);
        }
        ensure!(clock::now() < deadline, "not so after {LIMIT:?}: {drain:?}");
        clock::pass(Duration::from_millis(500));
    }
}

/// So many packets of its flows were forwarded and none lost, as the daemon counts.
pub(super) fn all_counted(drain: &DrainView, packets: u64) -> Result<()> {
    let arrivals = drain
        .arrivals
        .with_context(|| format!("what was lost is not known: {drain:?}"))?;
    ensure!(
        (drain.forwarded, arrivals.lost) == (Some(packets), 0),
        "{packets} packets were sent and received; the daemon: {drain:?}"
    );
    Ok(())
}
