//! `flows-shown`: what `ipvsdrain flows` tells of each flow is what its client did: who it is, how many packets it sent
//! and got, when it last moved, its TCP state, and whether it was there before weight 0. Connections that are silent
//! since before the watch are in the seed.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::api::{FlowView, FlowsView, Standing};
use ipvsdrain::drain::State;
use ipvsdrain::identity::Protocol;
use ipvsdrain::moment::Moment;
use serde_json::{Value, json};

use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, Place, VIP, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "flows-shown",
    about: "each flow shown has the client, packets, idle time and TCP state it really has, pinned and leaked told apart",
    programs: &[],
    observes: true,
    run,
};

const UDP: u16 = 5140;
const TCP: u16 = 7000;
const PINNED: u16 = 40_001;
const SILENT: u16 = 40_002;
const LEAKED: u16 = 40_003;
const PATIENCE: Duration = Duration::from_secs(5);
/// The estimator refreshes the kernel's counters every 2 s.
const COUNTERS_SETTLE: Duration = Duration::from_secs(5);

fn run(_: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::Masquerade, 2)?;
    let mut udp = Udp::balance(&world)?;
    let pinned = client_socket(&world, PINNED)?;
    let silent = client_socket(&world, SILENT)?;
    udp.exchange(&pinned, 2)?;
    udp.exchange(&silent, 1)?;
    let (tcp_place, mut tcp) = Tcp::connect(&world)?;

    let daemon = Daemon::start(&world, &[])?;
    let udp_place = udp.place()?;
    let drains = [
        daemon.begin_drain(udp_place, &[])?,
        daemon.begin_drain(tcp_place, &[])?,
    ];
    for place in [udp_place, tcp_place] {
        await_quiesced(&daemon, place)?;
    }
    let kernel_before = kernel_counts(&world, tcp_place)?;

    tcp.exchange(3)?;
    udp.exchange(&pinned, 5)?;
    let pinned_last = udp.last;
    let leaked = client_socket(&world, LEAKED)?;
    let leaked_first = clock::now();
    udp.exchange(&leaked, 2)?;
    let leaked_last = udp.last;
    let kernel_after = kernel_counts(&world, tcp_place)?;

    let shown = daemon.flows(udp_place, &[])?;
    ensure!(
        shown.complete && shown.found == 2,
        "two flows moved since the watch began: {shown:?}"
    );
    let flow = one(&shown, client(PINNED))?;
    moved(flow, 5, shown.at, pinned_last)?;
    ensure!(
        flow.standing == Some(Standing::Pinned) && flow.older && flow.live,
        "{PINNED} sent before weight 0 and still does: {flow:?}"
    );
    let flow = one(&shown, client(LEAKED))?;
    moved(flow, 2, shown.at, leaked_last)?;
    let first = back(shown.at, flow.age_seconds);
    ensure!(
        leaked_first <= first && first <= leaked_last.1,
        "its first datagram left at {leaked_first:?}, its age says {first:?}: {flow:?}"
    );
    ensure!(
        flow.standing == Some(Standing::Leaked) && !flow.older,
        "{LEAKED} began after weight 0: {flow:?}"
    );
    let seed = shown.seed.context("the kernel's table was not read")?;
    ensure!(
        (seed.udp, seed.tcp_open, seed.malformed, seed.complete) == (2, 0, 0, true),
        "two UDP entries, silent or not, and a template were there: {seed:?}"
    );
    let latest = daemon.flows(udp_place, &["--limit", "1"])?;
    ensure!(
        latest.found == 2 && latest.flows.len() == 1 && latest.flows[0].client == client(LEAKED),
        "the one that moved last: {latest:?}"
    );

    let shown = daemon.flows(tcp_place, &[])?;
    let seed = shown.seed.context("the kernel's table was not read")?;
    ensure!(
        (seed.udp, seed.tcp_open, seed.tcp_closing, seed.complete) == (0, 1, 0, true),
        "one silent connection was there: {seed:?}"
    );
    let open = one(&shown, tcp.client.local_addr()?)?.clone();
    let counted = (kernel_after.0 - kernel_before.0, kernel_after.1 - kernel_before.1);
    ensure!(
        (open.requests, open.replies) == counted,
        "the kernel counted {counted:?} packets meanwhile: {open:?}"
    );
    ensure!(
        open.tcp_state.as_deref() == Some("ESTABLISHED") && open.standing == Some(Standing::Pinned),
        "an open connection from before weight 0: {open:?}"
    );
    tcp.close()?;
    let shown = daemon.flows(tcp_place, &[])?;
    let closed = one(&shown, tcp.client.local_addr()?)?;
    ensure!(
        closed.tcp_state.as_deref() == Some("TIME_WAIT"),
        "the client closed first, then the server: {closed:?}"
    );
    drop(drains);
    Ok(json!({"udp": latest.found, "tcp": {"requests": open.requests, "replies": open.replies}}))
}

fn client(port: u16) -> SocketAddr {
    // The client's own address: nothing translates it.
    SocketAddr::from(([10, 9, 0, 2], port))
}

fn client_socket(world: &World, port: u16) -> Result<UdpSocket> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let socket = world.client().within(|| UdpSocket::bind(address))?;
    socket.connect((VIP, UDP))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// A persistent UDP service: the server of the first flow gets every later one, weight 0 or not.
struct Udp {
    sockets: Vec<UdpSocket>,
    places: Vec<Place>,
    chosen: Option<usize>,
    /// Just before the last exchange began, and just after it ended.
    last: (Moment, Moment),
}

impl Udp {
    fn balance(world: &World) -> Result<Self> {
        let service = format!("udp:{VIP}:{UDP}").parse()?;
        let mut lines = format!("-A -u {VIP}:{UDP} -s rr -p 300\n");
        let (mut sockets, mut places) = (Vec::new(), Vec::new());
        for (server, machine) in world.servers() {
            let address = world.listen_address(server, UDP);
            let _ = writeln!(lines, "-a -u {VIP}:{UDP} -r {address} -m -w 1");
            let socket = machine.within(|| UdpSocket::bind(address))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            sockets.push(socket);
            places.push(world.place(service, server, UDP));
        }
        world.director().restore(&lines)?;
        let now = clock::now();
        Ok(Self {
            sockets,
            places,
            chosen: None,
            last: (now, now),
        })
    }

    /// The server that gets it all.
    fn place(&self) -> Result<Place> {
        Ok(self.places[self.chosen.context("no server got a datagram yet")?])
    }

    /// So many datagrams, each answered.
    fn exchange(&mut self, client: &UdpSocket, times: u32) -> Result<()> {
        let mut room = [0; 16];
        for _ in 0..times {
            let begin = clock::now();
            client.send(b"question")?;
            let (server, length, from) = self.receive(&mut room)?;
            self.sockets[server].send_to(&room[..length], from)?;
            client.recv(&mut room).context("the client got no answer")?;
            self.last = (begin, clock::now());
        }
        Ok(())
    }

    fn receive(&mut self, room: &mut [u8]) -> Result<(usize, usize, SocketAddr)> {
        let servers = self.chosen.map_or(0..self.sockets.len(), |one| one..one + 1);
        for server in servers {
            if let Ok((length, from)) = self.sockets[server].recv_from(room) {
                self.chosen = Some(server);
                return Ok((server, length, from));
            }
        }
        anyhow::bail!(
            "no server, or another one, got the datagram: chosen was {:?}",
            self.chosen
        )
    }
}

/// One connection to the first server, silent after its handshake.
struct Tcp {
    client: TcpStream,
    server: TcpStream,
    /// Of the other server.
    _other: (TcpStream, TcpListener),
}

impl Tcp {
    fn connect(world: &World) -> Result<(Place, Self)> {
        let addresses = world.servers().map(|(_, machine)| machine.address());
        let service =
            world
                .director()
                .balance(Protocol::Tcp, TCP, "rr", Forwarding::Masquerade, addresses)?;
        let listen = |number| {
            let address = world.listen_address(Server(number), TCP);
            world.server(Server(number)).within(|| TcpListener::bind(address))
        };
        let (first, second) = (listen(1)?, listen(2)?);
        let connect = || world.client().within(|| TcpStream::connect((VIP, TCP)));
        // In turn: one connection for each server.
        let streams = [connect()?, connect()?];
        let (server, peer) = first.accept()?;
        let mut other = None;
        let mut client = None;
        for stream in streams {
            if stream.local_addr()? == peer {
                client = Some(stream);
            } else {
                other = Some(stream);
            }
        }
        let client = client.context("the first server accepted nobody's connection")?;
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(PATIENCE))?;
        }
        let other = other.context("both connections went to the first server")?;
        let place = world.place(service, Server(1), TCP);
        let tcp = Self {
            client,
            server,
            _other: (other, second),
        };
        Ok((place, tcp))
    }

    fn exchange(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            self.client.write_all(b"question")?;
            self.server
                .read_exact(&mut [0; 8])
                .context("the server got nothing")?;
            self.server.write_all(b"response")?;
            self.client
                .read_exact(&mut [0; 8])
                .context("the client got no answer")?;
        }
        Ok(())
    }

    /// The client's FIN first, then the server's.
    fn close(&mut self) -> Result<()> {
        self.client.shutdown(std::net::Shutdown::Write)?;
        ensure!(self.server.read(&mut [0; 1])? == 0, "the server sees no end");
        self.server.shutdown(std::net::Shutdown::Write)?;
        ensure!(self.client.read(&mut [0; 1])? == 0, "the client sees no end");
        // The last acknowledgement travels on its own.
        clock::pass(Duration::from_secs(1));
        Ok(())
    }
}

fn await_quiesced(daemon: &Daemon<'_>, place: Place) -> Result<()> {
    let deadline = clock::now() + Duration::from_mins(1);
    loop {
        let begun = daemon
            .drain(place)
            .is_ok_and(|drain| drain.state != State::Pooled);
        if begun {
            return Ok(());
        }
        ensure!(
            clock::now() < deadline,
            "{place} is not drained: {}",
            daemon.log()
        );
        clock::pass(Duration::from_millis(200));
    }
}

/// Packets in and out of one server, by the kernel, once its counters are settled.
fn kernel_counts(world: &World, place: Place) -> Result<(u64, u64)> {
    clock::pass(COUNTERS_SETTLE);
    let machine = world.director().machine();
    let text = machine.run("ipvsadm", &["-Ln", "--stats", "--exact"], "")?;
    let server = place.server.to_string();
    let line = text.lines().find(|line| line.contains(&server));
    let line = line.context("the server is not in the table")?;
    let numbers: Vec<u64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    ensure!(numbers.len() == 5, "not the five counters of a server: {line}");
    Ok((numbers[1], numbers[2]))
}

fn one(view: &FlowsView, client: SocketAddr) -> Result<&FlowView> {
    let mut of = view.flows.iter().filter(|flow| flow.client == client);
    let found = of
        .next()
        .with_context(|| format!("no flow of {client} in {view:?}"))?;
    ensure!(of.next().is_none(), "{client} is there twice: {view:?}");
    Ok(found)
}

/// `times` datagrams and as many answers, the last of them within `last`.
fn moved(flow: &FlowView, times: u64, at: Moment, last: (Moment, Moment)) -> Result<()> {
    ensure!(
        (flow.requests, flow.replies) == (times, times) && flow.protocol == "udp",
        "{times} datagrams were sent and answered: {flow:?}"
    );
    let moved = back(at, flow.idle_seconds);
    ensure!(
        last.0 <= moved && moved <= last.1,
        "its last answer came between {:?} and {:?}, its idle time says {moved:?}: {flow:?}",
        last.0,
        last.1
    );
    Ok(())
}

/// Exact but for the last bits of a number of seconds.
fn back(at: Moment, seconds: f64) -> Moment {
    let span = Duration::from_secs_f64(seconds);
    Moment::from_nanos(
        at.as_nanos()
            .saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
    )
}
