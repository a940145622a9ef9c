//! Who keeps the table in a maintenance, and takes the server out of it.

use std::time::Duration;

use ::ipvsdrain::moment::Moment;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::peer::Kept;
use super::{Service, Strategy, counter_poll, delete, fixed_timer, ipvsdrain};
use crate::clock;
use crate::daemon::{Daemon, PendingDrain};
use crate::ledger::Server;
use crate::world::World;

/// A program, or nobody but a hand at `ipvsadm`. It stays as it is until it is dropped.
#[derive(Debug)]
pub(super) struct Keeper<'world> {
    strategy: Strategy,
    world: &'world World,
    service: Service,
    program: Option<Kept>,
    daemon: Option<Daemon<'world>>,
    drain: Option<PendingDrain>,
    quiesced: Option<Moment>,
}

impl<'world> Keeper<'world> {
    /// All servers are in the table when it returns.
    pub(super) fn start(strategy: Strategy, world: &'world World, service: Service) -> Result<Self> {
        let program = Kept::start(strategy, world, service)?;
        if program.is_none() {
            service.balance(world)?;
        }
        Ok(Self {
            strategy,
            world,
            service,
            program,
            daemon: ipvsdrain::start(strategy, world)?,
            drain: None,
            quiesced: None,
        })
    }

    /// When the server was out of the table; None if the strategy gave up, or had not come to it at `until`.
    pub(super) fn take_out(&mut self, server: Server, until: Moment) -> Result<Option<Moment>> {
        let place = self.service.place(self.world, server);
        let director = self.world.director();
        let by_hand = match self.strategy {
            Strategy::Control => return Ok(None),
            Strategy::Delete => delete::take_out(director, &[place])?,
            Strategy::FixedTimer(_) => fixed_timer::take_out(director, &[place], self.strategy.timer())?,
            Strategy::CounterPoll => counter_poll::take_out(director, &[place], until)?,
            Strategy::Ipvsdrain | Strategy::IpvsdrainMigrate => {
                let daemon = self.daemon.as_ref().context("a daemon was started")?;
                let taken = ipvsdrain::take_out_by(director, daemon, place, until)
                    .with_context(|| format!("the daemon said: {}", daemon.log()))?;
                (self.drain, self.quiesced) = (Some(taken.drain), taken.quiesced);
                return Ok(taken.gone);
            }
            _ => {
                let Some(program) = &self.program else {
                    bail!("no program keeps the table")
                };
                return program.take_out(self.world, server, place).map(Some);
            }
        };
        let now = clock::now();
        let is_there = director.row(place)?.is_some();
        ensure!(
            by_hand != is_there,
            "{place} was to be removed: {by_hand}; it is in the table: {is_there}"
        );
        Ok(by_hand.then_some(now))
    }

    /// When the table showed the weight 0 that `ipvsdrain` gives a server before all else; None of others.
    pub(super) fn quiesced(&self) -> Option<Moment> {
        self.quiesced
    }

    /// What `ipvsdrain drain` said of losses when it had removed the server; None for who says nothing, or not yet.
    pub(super) fn own_account(&mut self) -> Result<Option<Value>> {
        let Some(drain) = self.drain.take() else {
            return Ok(None);
        };
        if !drain.await_end(Duration::ZERO)? {
            self.drain = Some(drain);
            return Ok(None);
        }
        let end = drain.finish(Duration::ZERO)?;
        Ok(Some(json!({
            "code": end.code,
            "lost": end.drain.arrivals.map(|arrivals| arrivals.lost),
            "uncounted": end.drain.uncounted,
        })))
    }
}
