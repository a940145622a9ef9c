//! `lossless-*`: server1 is drained under traffic whose flows end at known times. By the ledger nothing is lost, the
//! daemon's live flows are the ledger's at every second, and the server goes when its last flow is over, not before
//! and not much later.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ipvsdrain::api::DrainView;
use ipvsdrain::identity::Protocol;
use ipvsdrain::moment::Moment;
use serde_json::{Value, json};

use super::watch::{self, Watched};
use crate::clock;
use crate::daemon::Daemon;
use crate::ledger::{Account, Server, View};
use crate::scenario::{Scenario, Stage};
use crate::traffic::{Replies, TcpConnection, Traffic, UdpFlow, short_udp_flows};
use crate::world::{Forwarding, World};

pub(super) const DIRECT_ROUTE: Scenario = Scenario {
    name: "lossless-direct-route",
    about: "under direct route a drain loses nothing, and live flows are counted as they are",
    programs: &[],
    observes: true,
    run: |stage| run(stage, Forwarding::DirectRoute),
};
pub(super) const MASQUERADE: Scenario = Scenario {
    name: "lossless-masquerade",
    about: "under masquerade a drain loses nothing, and live flows are counted as they are",
    programs: &[],
    observes: true,
    run: |stage| run(stage, Forwarding::Masquerade),
};
pub(super) const IPIP: Scenario = Scenario {
    name: "lossless-ipip",
    about: "through IPIP tunnels a drain loses nothing, and live flows are counted as they are",
    programs: &[],
    observes: true,
    run: |stage| run(stage, Forwarding::Tunnel),
};

const UDP: u16 = 5300;
const TCP: u16 = 7000;
/// So few that a short flow now and then gets the port of an earlier one, and with it that one's entry: it goes to the
/// drained server, and is live there again.
const PORTS: &str = "40000 40299";
const DRAINED: Server = Server(1);
const BEFORE: Duration = Duration::from_secs(10);
const AFTER: Duration = Duration::from_secs(10);
/// The daemon's own defaults.
const UDP_QUIET: Duration = Duration::from_secs(10);
const CLOSING_QUIET: Duration = Duration::from_secs(10);
/// A quiet window begins when the kernel's counter has shown the last packet, 2 s late at most and read each second.
const SLOWEST: Duration = Duration::from_secs(8);
const GRAIN: Duration = Duration::from_secs(1);

fn run(stage: &mut Stage, forwarding: Forwarding) -> Result<Value> {
    let world = World::build(forwarding, 3)?;
    world.client().set_sysctl("net.ipv4.ip_local_port_range", PORTS)?;
    let addresses = || world.servers().map(|(_, machine)| machine.address());
    let director = world.director();
    let udp = director.balance(Protocol::Udp, UDP, "rr", forwarding, addresses())?;
    let tcp = director.balance(Protocol::Tcp, TCP, "rr", forwarding, addresses())?;
    let (udp, tcp) = (world.place(udp, DRAINED, UDP), world.place(tcp, DRAINED, TCP));
    let daemon = Daemon::start(&world, &[])?;

    let datagrams = send_datagrams(&world)?;
    let connections = hold_connections(&world)?;
    clock::pass(BEFORE);
    stage.progress(json!({"step": "drain"}));
    let drains = vec![
        (udp, daemon.begin_drain(udp, &[])?),
        (tcp, daemon.begin_drain(tcp, &[])?),
    ];
    let watched = watch::until_the_end(&world, &daemon, drains, Duration::from_mins(4))?;
    stage.progress(json!({"step": "traffic goes on"}));
    clock::pass(AFTER);
    let datagrams = datagrams.finish()?;
    let connections = connections.finish()?;

    let [udp, tcp] = &watched[..] else {
        bail!("two drains were watched, not {}", watched.len())
    };
    judge(&datagrams, &connections, udp, tcp)
        .with_context(|| format!("the daemon printed: {}", daemon.log()))?;
    let sysctl = director.machine().sysctl("net.ipv4.vs.expire_nodest_conn")?;
    ensure!(sysctl == "0", "expire_nodest_conn was 0 before and is {sysctl}");
    Ok(json!({
        "datagrams": datagrams.sent(),
        "tcp_records": connections.sent(),
        "compared": udp.views.len() + tcp.views.len(),
        "seconds_to_removal": [udp.end.drain.seconds_to_removal, tcp.end.drain.seconds_to_removal],
    }))
}

/// Long flows of every length, three to begin with on each server, and short ones all the time.
fn send_datagrams(world: &World) -> Result<Traffic<'_>> {
    let mut traffic = Traffic::new(world);
    traffic.receive_udp(UDP, Replies::Echo)?;
    let long = [25, 25, 25, 32, 32, 32, 40, 40, 40].map(|secs| UdpFlow {
        starts: Duration::ZERO,
        lasts: Some(Duration::from_secs(secs)),
        every: Duration::from_millis(500),
        source_port: None,
    });
    traffic.send_udp(UDP, Replies::Echo, long)?;
    let short = short_udp_flows(Duration::from_millis(500), 3, Duration::from_millis(100));
    traffic.send_udp(UDP, Replies::Echo, short)?;
    Ok(traffic)
}

/// Busy connections, silent ones, and short ones all the time.
fn hold_connections(world: &World) -> Result<Traffic<'_>> {
    let mut traffic = Traffic::new(world);
    traffic.receive_tcp(TCP)?;
    let second = Duration::from_secs(1);
    for (secs, every) in [(30, Some(second)), (45, Some(second)), (50, None)] {
        for _ in 0..3 {
            let lasts = Some(Duration::from_secs(secs));
            traffic.connect_tcp(
                TCP,
                TcpConnection {
                    starts: Duration::ZERO,
                    lasts,
                    every,
                },
            )?;
        }
    }
    traffic.connect_short_tcp(TCP, Duration::from_secs(2))?;
    Ok(traffic)
}

fn judge(datagrams: &Account, connections: &Account, udp: &Watched, tcp: &Watched) -> Result<()> {
    for (kind, account) in [("datagrams", datagrams), ("TCP records", connections)] {
        let faults = || account.faults(10);
        ensure!(
            account.lost() == 0,
            "{} of {} {kind} lost: {}",
            account.lost(),
            account.sent(),
            faults()
        );
        ensure!(
            account.duplicated() == 0,
            "{} {kind} duplicated: {}",
            account.duplicated(),
            faults()
        );
        ensure!(
            account.unanswered() == 0,
            "{} {kind} unanswered: {}",
            account.unanswered(),
            faults()
        );
        ensure!(
            account.flows_of(DRAINED).count() >= 3,
            "server1 had too little to be drained of {kind}"
        );
    }
    for watched in [udp, tcp] {
        ensure!(
            watched.end.code == Some(0),
            "the drain of {} ended with {:?}: {:?}",
            watched.place,
            watched.end.code,
            watched.end.drain
        );
    }
    let last = datagrams
        .last_receipt(DRAINED)
        .context("server1 got no datagram")?;
    removed_in_time(udp, last, UDP_QUIET)?;
    let last = connections
        .last_close(DRAINED)
        .context("server1 had no connection")?;
    removed_in_time(tcp, last, CLOSING_QUIET)?;
    counted_udp(udp, datagrams)?;
    counted_tcp(tcp, connections)
}

/// After the last flow's quiet window, and soon after it.
fn removed_in_time(watched: &Watched, last: Moment, quiet: Duration) -> Result<()> {
    let gone = watched
        .gone_at
        .with_context(|| format!("{} is still in the table", watched.place))?;
    let after = gone.since(last);
    ensure!(
        quiet <= after && after <= quiet + SLOWEST,
        "{} was gone {after:?} after its last flow; expected {quiet:?} to {:?}",
        watched.place,
        quiet + SLOWEST
    );
    Ok(())
}

fn counted_udp(watched: &Watched, ledger: &Account) -> Result<()> {
    compare(watched, |view, live| {
        let range = ledger.live_udp_within(DRAINED, view, UDP_QUIET);
        vec![("live UDP flows", live.udp, range)]
    })
    .with_context(|| {
        let first = watched.views.first().map_or(0, |view| view.revision);
        format!(
            "the ledger's flows: {}",
            ledger.udp_flows_since(DRAINED, Moment::from_nanos(first))
        )
    })
}

fn counted_tcp(watched: &Watched, ledger: &Account) -> Result<()> {
    compare(watched, |view, live| {
        vec![
            (
                "open TCP flows",
                live.tcp_open,
                ledger.open_tcp_within(DRAINED, view),
            ),
            (
                "closing TCP flows",
                live.tcp_closing,
                ledger.closing_tcp_within(DRAINED, view, CLOSING_QUIET),
            ),
        ]
    })
}

type Comparison = (&'static str, u64, std::ops::RangeInclusive<usize>);

/// Every view in which the daemon knows its live flows is held against the ledger.
fn compare(
    watched: &Watched,
    expected: impl Fn(&View, &ipvsdrain::api::LiveView) -> Vec<Comparison>,
) -> Result<()> {
    let known: Vec<(&DrainView, _)> = watched
        .views
        .iter()
        .filter_map(|view| Some((view, view.live?)))
        .filter(|(view, _)| !view.state.is_final())
        .collect();
    ensure!(
        known.len() >= 20,
        "the daemon knew the live flows of {} in {} of {} views only",
        watched.place,
        known.len(),
        watched.views.len()
    );
    let since = Moment::from_nanos(known[0].0.revision);
    let mut wrong = Vec::new();
    for (shown, live) in known {
        let view = View {
            at: Moment::from_nanos(shown.revision),
            grain: GRAIN,
            since,
        };
        for (what, seen, range) in expected(&view, &live) {
            if !usize::try_from(seen).is_ok_and(|seen| range.contains(&seen)) {
                wrong.push(format!(
                    "at {:.1} s ({:.1} s after boot) {seen} {what}, by the ledger {range:?}",
                    shown.seconds_since_start,
                    Duration::from_nanos(shown.revision).as_secs_f64(),
                ));
            }
        }
    }
    ensure!(
        wrong.is_empty(),
        "{}: {} wrong counts: {}",
        watched.place,
        wrong.len(),
        wrong.join("; ")
    );
    Ok(())
}
