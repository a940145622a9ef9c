//! `sctp-drained`: an SCTP association holds a drain for as long as it is not shut down, silent or not, and whatever the
//! policy for UDP says; once it is, its server goes within the quiet window. SCTP's own heartbeats are off here.

use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::api::DrainView;
use ipvsdrain::drain::State;
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use super::watch;
use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::process;
use crate::scenario::{Scenario, Stage};
use crate::traffic::{connect_sctp, listen_sctp};
use crate::world::{Forwarding, Machine, Place, VIP, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "sctp-drained",
    about: "a silent SCTP association holds a drain until it is shut down, and not longer",
    programs: &[],
    observes: true,
    run,
};

const PORT: u16 = 3868;
const DRAINED: Server = Server(1);
const OTHER: Server = Server(2);
/// Longer than every quiet window of the daemon's.
const SILENCE: Duration = Duration::from_mins(1);
const LIMIT: Duration = Duration::from_mins(2);
/// The daemon's own default.
const CLOSING_QUIET: Duration = Duration::from_secs(10);
/// A quiet window begins when the kernel's counter has shown the last packet, 2 s late at most and read each second.
const SLOWEST: Duration = Duration::from_secs(8);

fn run(stage: &mut Stage) -> Result<Value> {
    process::run(Command::new("modprobe").arg("sctp"), "")?;
    let mut seen = Vec::new();
    for forwarding in [Forwarding::DirectRoute, Forwarding::Masquerade] {
        stage.progress(json!({"forwarding": format!("{forwarding:?}")}));
        seen.push(one(forwarding).with_context(|| format!("under {forwarding:?}"))?);
    }
    Ok(json!(seen))
}

fn one(forwarding: Forwarding) -> Result<Value> {
    let world = World::build(forwarding, 2)?;
    let machines = || world.servers().map(|(_, machine)| machine);
    for machine in machines().chain([world.client()]) {
        machine.set_sysctl("net.sctp.hb_interval", "3600000")?;
    }
    let addresses = machines().map(Machine::address);
    let service = world
        .director()
        .balance(Protocol::Sctp, PORT, "rr", forwarding, addresses)?;
    let place = world.place(service, DRAINED, PORT);
    let mut pool = Pool::listen(&world)?;
    pool.associate()?;
    pool.associate()?;
    let (mut held, mut other) = (pool.accept(DRAINED)?, pool.accept(OTHER)?);
    held.speak()?;
    other.speak()?;
    clock::pass(SILENCE);

    let daemon = Daemon::start(&world, &[])?;
    let drain = daemon.begin_drain(place, &["--pinned", "migrate"])?;
    let silent = await_live(&daemon, place)?;
    let seed = daemon.flows(place, &[])?.seed.context("the table was not read")?;
    ensure!(
        (seed.tcp_open, seed.udp, seed.malformed) == (1, 0, 0),
        "one silent association was there: {seed:?}"
    );
    held.speak().context("at weight 0")?;
    pool.associate()?;
    let late = pool.accept(OTHER).context("an association begun at weight 0")?;
    clock::pass(SILENCE);

    let flows = daemon.flows(place, &[])?.flows;
    ensure!(
        flows.len() == 1 && flows[0].protocol == "sctp" && flows[0].live,
        "one association is live: {flows:?}"
    );
    ensure!(flows[0].tcp_state.as_deref() == Some("ESTABLISHED"), "{flows:?}");
    let after_silence = daemon.drain(place)?;
    ensure!(
        after_silence.state == State::Draining && open(&after_silence) == Some(1),
        "an established association is live, however silent: {after_silence:?}"
    );

    let closed_at = clock::now();
    held.shut_down()?;
    let watched = watch::until_the_end(&world, &daemon, vec![(place, drain)], LIMIT)?;
    let watched = watched.into_iter().next().context("one drain was watched")?;
    ensure!(
        watched.end.code == Some(0),
        "the drain ended with {:?}; the daemon printed: {}",
        watched.end,
        daemon.log()
    );
    let closing = |view: &DrainView| {
        view.live
            .is_some_and(|live| (live.tcp_open, live.tcp_closing) == (0, 1))
    };
    ensure!(
        watched.views.iter().any(closing),
        "it was never seen closing: {:?}",
        watched.views
    );
    let gone = watched.gone_at.context("server1 is still in the table")?;
    let after = gone.since(closed_at);
    ensure!(
        CLOSING_QUIET <= after && after <= CLOSING_QUIET + SLOWEST,
        "gone {after:?} after the shutdown"
    );
    other.speak().context("with the other server")?;
    drop(late);
    Ok(json!({
        "forwarding": format!("{forwarding:?}"),
        "silent": silent.live,
        "after_silence": after_silence.live,
        "gone_after_shutdown_seconds": after.as_secs_f64(),
    }))
}

fn open(drain: &DrainView) -> Option<u64> {
    let live = drain.live?;
    (live.udp == 0 && live.tcp_closing == 0).then_some(live.tcp_open)
}

/// The drain as soon as it knows its one open association.
fn await_live(daemon: &Daemon<'_>, place: Place) -> Result<DrainView> {
    let deadline = clock::now() + LIMIT;
    loop {
        // The client may not have asked for it yet.
        let drain = daemon.drain(place);
        if let Ok(drain) = &drain
            && open(drain) == Some(1)
        {
            return Ok(drain.clone());
        }
        ensure!(
            clock::now() < deadline,
            "no open association is known: {drain:?}; the daemon printed: {}",
            daemon.log()
        );
        clock::pass(Duration::from_millis(200));
    }
}

/// The client's ends that no server has accepted yet, and the servers' listeners.
struct Pool<'world> {
    world: &'world World,
    listeners: Vec<TcpListener>,
    clients: Vec<TcpStream>,
}

impl<'world> Pool<'world> {
    fn listen(world: &'world World) -> Result<Self> {
        let listeners = world
            .servers()
            .map(|(server, machine)| listen_sctp(machine, world.listen_address(server, PORT)))
            .collect::<Result<_>>()?;
        Ok(Self {
            world,
            listeners,
            clients: Vec::new(),
        })
    }

    /// Establishes an association with whichever server the director chooses.
    fn associate(&mut self) -> Result<()> {
        let client = self.world.client();
        let to = SocketAddrV4::new(VIP, PORT);
        self.clients.push(connect_sctp(client, client.address(), to)?);
        Ok(())
    }

    /// Takes the next one that reached `server`.
    fn accept(&mut self, server: Server) -> Result<Association> {
        let listener = &self.listeners[usize::from(server.0) - 1];
        let (stream, peer) = listener
            .accept()
            .with_context(|| format!("server{} has no association", server.0))?;
        let is_peer = |client: &TcpStream| client.local_addr().is_ok_and(|local| local.port() == peer.port());
        let place = self.clients.iter().position(is_peer);
        let client = self.clients.remove(place.context("of an unknown client")?);
        Ok(Association {
            client,
            server: stream,
        })
    }
}

struct Association {
    client: TcpStream,
    server: TcpStream,
}

impl Association {
    /// One message there, one back.
    fn speak(&mut self) -> Result<()> {
        let mut room = [0; 8];
        self.client.write_all(b"question")?;
        self.server
            .read_exact(&mut room)
            .context("the server got nothing")?;
        self.server.write_all(b"response")?;
        self.client
            .read_exact(&mut room)
            .context("the client got no answer")
    }

    /// The client begins; the server sees the end.
    fn shut_down(mut self) -> Result<()> {
        drop(self.client);
        let length = self
            .server
            .read(&mut [0; 8])
            .context("the server sees no shutdown")?;
        ensure!(length == 0, "the server read {length} bytes after the shutdown");
        Ok(())
    }
}
