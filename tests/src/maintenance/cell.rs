//! One cell of the benchmark: one strategy in a world of its own, measured on the wire.

use std::sync::{Barrier, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::Protocol;
use serde::Serialize;
use serde_json::Value;

use super::keeper::Keeper;
use super::{Kind, SYSCTL, Strategy};
use crate::clock;
use crate::ledger::Server;
use crate::wire::Wire;
use crate::world::{Forwarding, World};

const SERVERS: u16 = 2;
/// From depooling to the end of the traffic. Longer than the longest timer and the kernel's 300 s for UDP, with its
/// timer's slack, one after the other: what a removal costs has shown by then.
pub(super) const WINDOW: Duration = Duration::from_mins(7);
/// Worlds of one boot do not all do the same at the same moment.
const STAGGER: Duration = Duration::from_millis(130);

/// What a maintenance is done under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub kind: Kind,
    pub forwarding: Forwarding,
    /// `net.ipv4.vs.expire_nodest_conn`.
    pub expires: bool,
}

/// What it cost.
#[derive(Debug, Clone, Serialize)]
pub struct Cost {
    /// Datagrams, or connections where the traffic is TCP.
    pub sent: u64,
    /// Bytes of those datagrams.
    pub bytes: u64,
    /// Datagrams that reached no server.
    pub lost: u64,
    /// Answers that did not reach the client.
    pub answers_lost: u64,
    /// Flows of datagrams.
    pub flows: u64,
    /// Of those: how many were with one server and then with another.
    pub moved: u64,
    /// Established connections that got a reset.
    pub reset: u64,
    /// Established connections of which nothing was acknowledged any more.
    pub stuck: u64,
    /// Transfers, sessions and requests that did not get what they wanted, as the client's program counts them.
    pub broken: u64,
    /// Connections that were not established, datagrams answered with "port unreachable".
    pub refused: u64,
    pub removed: bool,
    /// From depool to weight 0, where that is known.
    pub seconds_to_quiesce: Option<f64>,
    /// From depool to removal.
    pub seconds_to_removal: Option<f64>,
    /// From the last packet that the server got before its removal to that.
    pub seconds_silent: Option<f64>,
    /// What the client's program said.
    pub program: Value,
}

impl Cost {
    /// Nothing was lost, moved, refused or broken.
    pub(super) fn is_nothing(&self) -> bool {
        let Self {
            lost,
            answers_lost,
            moved,
            reset,
            stuck,
            broken,
            refused,
            ..
        } = *self;
        [lost, answers_lost, moved, reset, stuck, broken, refused] == [0; 7]
    }
}

/// What the cells of one boot share.
#[derive(Debug)]
pub(super) struct Together {
    /// Worlds are built one after the other: a guest with one processor has nothing to gain otherwise.
    turn: Mutex<()>,
    /// All traffic begins once all worlds are there.
    ready: Barrier,
}

impl Together {
    pub(super) fn of(cells: usize) -> Self {
        Self {
            turn: Mutex::default(),
            ready: Barrier::new(cells),
        }
    }
}

/// Runs one cell to its end; `number` is its own among those of the boot.
pub(super) fn run(setting: Setting, strategy: Strategy, number: u32, together: &Together) -> Result<Cost> {
    let service = setting.kind.service();
    let built = {
        let _turn = together.turn.lock().unwrap_or_else(PoisonError::into_inner);
        build(setting)
    };
    let Ok(world) = &built else {
        together.ready.wait();
        return built.and_then(|_| anyhow::bail!("no world was built"));
    };
    let prepared = {
        let _turn = together.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let serving = setting.kind.serve(world);
        serving.and_then(|serving| Ok((serving, Keeper::start(strategy, world, service)?)))
    };
    together.ready.wait();
    let (_serving, mut keeper) = prepared?;

    let wire = Wire::start(world)?;
    clock::pass(STAGGER * number);
    let load = setting.kind.start(world)?;
    clock::pass(setting.kind.before());
    let server = match service.persistent {
        // The one client is with one of them.
        Some(_) => wire
            .newest_receiver(world, service.port)
            .context("no server got anything")?,
        None => Server(1),
    };
    let depooled = clock::now();
    let end = depooled + WINDOW;
    let gone = keeper.take_out(server, end)?;
    clock::pass(end.since(clock::now()));
    let mut said = load.finish()?;
    if let Some(account) = keeper.own_account()? {
        said.words[strategy.name()] = account;
    }
    let account = wire.finish(world, service.port)?;

    let sysctl = world.director().machine().sysctl(SYSCTL)?;
    ensure!(
        sysctl == u8::from(setting.expires).to_string(),
        "{SYSCTL} was left at {sysctl}"
    );
    let (datagrams, connections) = (account.datagrams(), account.connections());
    if let Some(lost) = said.lost {
        ensure!(
            lost == datagrams.lost,
            "the ledgers differ: both ends say that {lost} datagrams are lost, the wire {}",
            datagrams.lost
        );
    }
    let (flows, moved) = said.sessions.unwrap_or((datagrams.flows, datagrams.moved));
    let last = gone.and_then(|gone| account.last_packet(server, gone));
    Ok(Cost {
        sent: match service.protocol {
            Protocol::Udp => datagrams.sent,
            Protocol::Tcp | Protocol::Sctp => connections.opened,
        },
        bytes: datagrams.bytes,
        lost: datagrams.lost,
        answers_lost: datagrams.answers_lost,
        flows,
        moved,
        reset: connections.reset,
        stuck: connections.stuck,
        broken: said.broken,
        refused: connections.refused + datagrams.unreachable,
        removed: gone.is_some(),
        seconds_to_quiesce: keeper
            .quiesced()
            .map(|quiesced| quiesced.since(depooled).as_secs_f64()),
        seconds_to_removal: gone.map(|gone| gone.since(depooled).as_secs_f64()),
        seconds_silent: gone.zip(last).map(|(gone, last)| gone.since(last).as_secs_f64()),
        program: said.words,
    })
}

fn build(setting: Setting) -> Result<World> {
    let world = World::build(setting.forwarding, SERVERS)?;
    let value = if setting.expires { "1" } else { "0" };
    world.director().machine().set_sysctl(SYSCTL, value)?;
    Ok(world)
}
