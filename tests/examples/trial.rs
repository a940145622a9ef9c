use ipvsdrain_tests::{ledger::*, traffic::*, world::*};
use std::time::{Duration, Instant};
fn main() -> anyhow::Result<()> {
    let t = Instant::now();
    let which = std::env::args().nth(1).unwrap_or_default();
    let f = match which.as_str() {
        "m" => Forwarding::Masquerade,
        "i" => Forwarding::Tunnel,
        _ => Forwarding::DirectRoute,
    };
    let world = World::build(f, 3)?;
    eprintln!("built {:?}", t.elapsed());
    let d = world.director().machine();
    println!("{}", d.run("ip", &["addr"], "")?);
    println!("{}", world.client().run("ip", &["-4", "route"], "")?);
    println!(
        "{}",
        world
            .client()
            .run("ping", &["-c1", "-W1", "10.1.0.5"], "")
            .unwrap_or_else(|e| format!("{e:#}"))
    );
    d.ip("addr del 10.0.0.1/32 dev lo\nroute add 10.0.0.1/32 via 10.1.0.5\n")?;
    let mut traffic = Traffic::new(&world);
    traffic.receive_udp(5300, Replies::Echo)?;
    traffic.receive_tcp(7000)?;
    traffic.send_udp(
        5300,
        Replies::Echo,
        [UdpFlow {
            starts: Duration::ZERO,
            lasts: None,
            every: Duration::from_millis(20),
            source_port: Some(4000),
        }],
    )?;
    traffic.send_udp(
        5300,
        Replies::Echo,
        short_udp_flows(Duration::from_millis(50), 3, Duration::from_millis(10)),
    )?;
    traffic.connect_tcp(
        7000,
        TcpConnection {
            starts: Duration::ZERO,
            lasts: Some(Duration::from_secs(2)),
            every: Some(Duration::from_millis(100)),
        },
    )?;
    traffic.connect_tcp(
        7000,
        TcpConnection {
            starts: Duration::ZERO,
            lasts: None,
            every: None,
        },
    )?;
    traffic.connect_short_tcp(7000, Duration::from_millis(200))?;
    let got = traffic
        .ledger()
        .clone()
        .wait_until(Duration::from_secs(3), |a| a.sent() > 200);
    eprintln!("200 sent: {got}");
    std::thread::sleep(Duration::from_secs(3));
    let a = traffic.finish()?;
    eprintln!(
        "sent {} lost {} dup {} unanswered {} flows {}",
        a.sent(),
        a.lost(),
        a.duplicated(),
        a.unanswered(),
        a.flows().count()
    );
    eprintln!("{}", a.faults(10));
    eprintln!(
        "s1 {} s2 {}",
        a.flows_of(Server(1)).count(),
        a.flows_of(Server(2)).count()
    );
    let t = Instant::now();
    let servers = ipvsdrain_tests::dns::Servers::start(&world, 53)?;
    eprintln!("nsd up {:?}", t.elapsed());
    let load = ipvsdrain_tests::dns::Load::start(&world, 53, 4, 100)?;
    std::thread::sleep(Duration::from_secs(3));
    world
        .director()
        .machine()
        .ip("route del 10.0.0.1/32\nroute add blackhole 10.0.0.1/32\n")?;
    std::thread::sleep(Duration::from_secs(6));
    eprintln!("{:?}", load.finish()?);
    drop(servers);
    Ok(())
}
