//! `observer-counts`: what the probe counts is what was sent, for each forwarding method, UDP and TCP.
//!
//! Plain sockets send a known number of datagrams and open a known number of connections; the kernel's own counters
//! are the second opinion. Also proven here: what must *not* count (drops, ICMP errors, other namespaces).

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::identity::{Protocol, RealServer, VirtualService};
use ipvsdrain::observe::{Hook, Observer, Preference, QuietWindows, Reading, Sources};
use nix::sys::socket::{setsockopt, sockopt::Linger};
use serde_json::{Value, json};

use crate::clock;
use crate::ledger::Server;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, Place, VIP, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "observer-counts",
    about: "the observer's counts equal what was sent, answered and closed; drops and ICMP errors count nothing",
    programs: &[],
    observes: true,
    run,
};

const UDP: u16 = 5300;
const TCP: u16 = 7000;
const QUIET: Duration = Duration::from_secs(10);
const JUST_BEFORE: Duration = Duration::from_secs(9);
const JUST_AFTER: Duration = Duration::from_secs(11);
/// The estimator refreshes the kernel's counters every 2 s.
const COUNTERS_SETTLE: Duration = Duration::from_secs(5);

const FLOWS: u64 = 5;
const DATAGRAMS: u64 = 4;

fn run(stage: &mut Stage) -> Result<Value> {
    let mut seen = Vec::new();
    for (hook, attached) in [
        (Hook::Fentry, "fentry:ip_vs_conn_put"),
        (Hook::Kprobe, "kprobe:ip_vs_conn_put"),
    ] {
        for forwarding in [
            Forwarding::DirectRoute,
            Forwarding::Masquerade,
            Forwarding::Tunnel,
        ] {
            stage.progress(json!({"attached": attached, "forwarding": format!("{forwarding:?}")}));
            let one = one(hook, attached, forwarding);
            seen.push(one.with_context(|| format!("{attached}, under {forwarding:?}"))?);
        }
    }
    Ok(json!(seen))
}

/// One world under observation.
struct Bench {
    world: World,
    observer: Observer,
}

fn one(hook: Hook, attached: &str, forwarding: Forwarding) -> Result<Value> {
    let world = World::build(forwarding, 1)?;
    let director = world.director();
    let addresses = || world.servers().map(|(_, machine)| machine.address());
    let udp = director.balance(Protocol::Udp, UDP, "rr", forwarding, addresses())?;
    let tcp = director.balance(Protocol::Tcp, TCP, "rr", forwarding, addresses())?;
    let sources = Sources {
        arrivals: Preference::Off,
        hook: Some(hook),
        ..Sources::default()
    };
    let observer = director.machine().within(|| Observer::prepare(&sources))?;
    let mut bench = Bench { world, observer };

    ensure!(
        bench.observer.attached().is_empty(),
        "something is attached though nothing is watched"
    );
    bench.observer.watch(&udp, &bench.server(UDP))?;
    bench.observer.watch(&tcp, &bench.server(TCP))?;
    ensure!(
        bench.observer.attached() == [attached],
        "attached: {:?}",
        bench.observer.attached()
    );

    let udp_seen = bench.datagrams(&udp, forwarding).context("UDP")?;
    let tcp_seen = bench.connections(&tcp, forwarding).context("TCP")?;
    bench
        .another_namespace(&udp)
        .context("the same service in another namespace")?;
    bench.icmp_error(&udp).context("an ICMP error")?;
    bench.dropped(&udp).context("datagrams for a deleted server")?;

    bench.observer.unwatch(&udp, &bench.server(UDP))?;
    ensure!(
        !bench.observer.attached().is_empty(),
        "detached though a server is still watched"
    );
    bench.observer.unwatch(&tcp, &bench.server(TCP))?;
    ensure!(
        bench.observer.attached().is_empty(),
        "still attached though nothing is watched"
    );
    Ok(
        json!({"attached": attached, "forwarding": format!("{forwarding:?}"), "udp": udp_seen, "tcp": tcp_seen}),
    )
}

impl Bench {
    fn server(&self, port: u16) -> RealServer {
        RealServer(SocketAddrV4::new(self.world.server(Server(1)).address(), port).into())
    }

    fn read(&self, service: &VirtualService, port: u16) -> Result<Reading> {
        let quiet = QuietWindows {
            udp: QUIET,
            tcp: QUIET,
            closing: QUIET,
        };
        let reading = self
            .observer
            .read(service, &self.server(port), &quiet, clock::now())?;
        ensure!(
            reading.mistaken == 0 && reading.untracked == 0,
            "not all was understood: {reading:?}"
        );
        Ok(reading)
    }

    /// The kernel's own counts of packets in and out, once they are settled.
    fn kernel_counts(&self, port: u16) -> Result<(u64, u64)> {
        clock::pass(COUNTERS_SETTLE);
        self.world.director().packets(&self.server(port))
    }

    fn client_socket(&self) -> Result<UdpSocket> {
        let socket = self
            .world
            .client()
            .within(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
        socket.connect((VIP, UDP))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(socket)
    }

    fn datagrams(&self, service: &VirtualService, forwarding: Forwarding) -> Result<Value> {
        let address = self.world.listen_address(Server(1), UDP);
        let server = self.world.server(Server(1)).within(|| UdpSocket::bind(address))?;
        server.set_read_timeout(Some(Duration::from_secs(5)))?;
        let clients = (0..FLOWS)
            .map(|_| self.client_socket())
            .collect::<Result<Vec<_>>>()?;
        let mut room = [0; 16];
        for _ in 0..DATAGRAMS {
            for client in &clients {
                client.send(b"question")?;
                let (length, from) = server.recv_from(&mut room).context("the server got nothing")?;
                server.send_to(&room[..length], from)?;
                client.recv(&mut room).context("the client got no answer")?;
            }
        }
        let reading = self.read(service, UDP)?;
        let sent = FLOWS * DATAGRAMS;
        let answered = if forwarding == Forwarding::Masquerade {
            sent
        } else {
            0
        };
        ensure!(reading.forwarded == sent, "{sent} were sent: {reading:?}");
        ensure!(
            reading.replied == answered,
            "{answered} came back through the director: {reading:?}"
        );
        ensure!(reading.live_udp == FLOWS, "{FLOWS} flows are live: {reading:?}");
        let kernel = self.kernel_counts(UDP)?;
        ensure!(
            kernel == (sent, answered),
            "the kernel counted {kernel:?}: {reading:?}"
        );

        // On both sides of the window: the last datagram was sent in the second of `last`.
        let last = reading.last_packet.context("no packet was seen")?;
        let quiet_for = |age: Duration| (last + age).since(clock::now());
        clock::pass(quiet_for(JUST_BEFORE));
        let kept = self.read(service, UDP)?;
        clock::pass(quiet_for(JUST_AFTER));
        let gone = self.read(service, UDP)?;
        ensure!(
            kept.live_udp >= 1 && gone.live_udp == 0,
            "before {kept:?}, after {gone:?}"
        );
        Ok(json!({"sent": sent, "answered": answered, "forwarded": gone.forwarded, "replied": gone.replied}))
    }

    fn connections(&self, service: &VirtualService, forwarding: Forwarding) -> Result<Value> {
        let address = self.world.listen_address(Server(1), TCP);
        let listener = self
            .world
            .server(Server(1))
            .within(|| TcpListener::bind(address))?;
        let mut pairs = Vec::new();
        for _ in 0..3 {
            let mut client = self.world.client().within(|| TcpStream::connect((VIP, TCP)))?;
            let (mut server, _) = listener.accept()?;
            client.set_read_timeout(Some(Duration::from_secs(5)))?;
            server.set_read_timeout(Some(Duration::from_secs(5)))?;
            client.write_all(b"question")?;
            server.read_exact(&mut [0; 8]).context("the server got nothing")?;
            server.write_all(b"response")?;
            client
                .read_exact(&mut [0; 8])
                .context("the client got no answer")?;
            pairs.push((client, server));
        }
        let open = self.read(service, TCP)?;
        ensure!(
            (open.live_tcp_open, open.live_tcp_closing) == (3, 0),
            "three are open: {open:?}"
        );
        let table = self
            .world
            .director()
            .row(Place {
                service: *service,
                server: self.server(TCP),
            })?
            .context("no such server")?;
        ensure!(table.active == 3, "the kernel counts {} active", table.active);

        // One ends by FIN from the client, one by RST, one stays.
        let mut ends = pairs.drain(..2);
        let (fin, mut fin_peer) = ends.next().context("a first connection")?;
        let (reset, mut reset_peer) = ends.next().context("a second connection")?;
        drop(ends);
        drop(fin);
        ensure!(fin_peer.read(&mut [0; 1])? == 0, "the server sees no end");
        drop(fin_peer);
        setsockopt(
            &reset,
            Linger,
            &nix::libc::linger {
                l_onoff: 1,
                l_linger: 0,
            },
        )?;
        drop(reset);
        ensure!(reset_peer.read(&mut [0; 1]).is_err(), "the server sees no reset");
        // The last acknowledgement of the FIN travels on its own.
        clock::pass(Duration::from_secs(1));
        let closed = self.read(service, TCP)?;
        ensure!(
            (closed.live_tcp_open, closed.live_tcp_closing) == (1, 2),
            "one is open, two close: {closed:?}"
        );

        let kernel = self.kernel_counts(TCP)?;
        let reading = self.read(service, TCP)?;
        let counts = (reading.forwarded, reading.replied);
        ensure!(kernel == counts, "the kernel counted {kernel:?}: {reading:?}");
        ensure!(
            (counts.1 > 0) == (forwarding == Forwarding::Masquerade),
            "replies: {reading:?}"
        );
        Ok(json!({"forwarded": counts.0, "replied": counts.1, "kernel": [kernel.0, kernel.1]}))
    }

    /// A namespace with the very same service and server, which receives its own traffic.
    fn another_namespace(&self, service: &VirtualService) -> Result<()> {
        let before = self.read(service, UDP)?;
        let other = World::build(Forwarding::DirectRoute, 1)?;
        let addresses = other.servers().map(|(_, machine)| machine.address());
        let twin = other
            .director()
            .balance(Protocol::Udp, UDP, "rr", Forwarding::DirectRoute, addresses)?;
        ensure!(twin == *service, "the twin has another name");
        let address = other.listen_address(Server(1), UDP);
        let server = other.server(Server(1)).within(|| UdpSocket::bind(address))?;
        server.set_read_timeout(Some(Duration::from_secs(5)))?;
        let client = other
            .client()
            .within(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
        client.send_to(b"elsewhere", (VIP, UDP))?;
        server
            .recv(&mut [0; 16])
            .context("the other server got nothing")?;
        let after = self.read(service, UDP)?;
        ensure!(
            before.forwarded == after.forwarded && after.live_udp == 0,
            "it counts here: {after:?}"
        );
        Ok(())
    }

    /// The server listens no more: its port-unreachable message is no reply, and makes nothing live.
    fn icmp_error(&self, service: &VirtualService) -> Result<()> {
        let before = self.read(service, UDP)?;
        let client = self.client_socket()?;
        client.send(b"anybody?")?;
        let refused = client.recv(&mut [0; 16]).err().map(|error| error.kind());
        ensure!(
            refused == Some(std::io::ErrorKind::ConnectionRefused),
            "the client was told {refused:?}"
        );
        let after = self.read(service, UDP)?;
        ensure!(
            after.forwarded == before.forwarded + 1,
            "one datagram was forwarded: {before:?} {after:?}"
        );
        ensure!(
            after.replied == before.replied,
            "an ICMP error counts as a reply: {before:?} {after:?}"
        );
        Ok(())
    }

    /// The server is deleted under `expire_nodest_conn=0`: its flow's datagrams are dropped, and do not keep it live.
    fn dropped(&self, service: &VirtualService) -> Result<()> {
        self.world
            .director()
            .machine()
            .set_sysctl("net.ipv4.vs.expire_nodest_conn", "0")?;
        let address = self.world.listen_address(Server(1), UDP);
        let server = self.world.server(Server(1)).within(|| UdpSocket::bind(address))?;
        server.set_read_timeout(Some(Duration::from_secs(5)))?;
        let client = self.client_socket()?;
        client.send(b"first")?;
        server.recv(&mut [0; 16]).context("the server got nothing")?;
        self.world.director().delete(Place {
            service: *service,
            server: self.server(UDP),
        })?;
        let before = self.read(service, UDP)?;
        for _ in 0..20 {
            client.send(b"lost")?;
            clock::pass(Duration::from_secs(1));
        }
        let after = self.read(service, UDP)?;
        ensure!(
            before.live_udp >= 1 && after.live_udp == 0,
            "before {before:?}, after {after:?}"
        );
        ensure!(
            before.forwarded == after.forwarded,
            "drops were counted: before {before:?}, after {after:?}"
        );
        Ok(())
    }
}
