//! The netlink client against the real kernel: ipvsadm writes what the client reads and the other way round, and each
//! refusal becomes the error that names it.
//!
//! With `{"record": true}` among the options, the result carries the kernel's own bytes: what
//! `ipvsdrain/src/ipvs/golden/` keeps for each kernel.

mod long_lists;
mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, ensure};
use ipvsdrain::identity::VirtualService;
use ipvsdrain::ipvs::{
    Destination, Forwarding, Ipvs, Service, ServiceFlags, Stats, Timeouts, Tunnel, TunnelKind,
};
use serde_json::{Value, json};

use crate::scenario::{Scenario, Stage};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "netlink-round-trip",
    about: "everything IPVS can be told is read, written and kept as ipvsadm has it, and every refusal is named",
    programs: &[],
    observes: false,
    run,
};

/// One service of each kind, with a real server of each kind, as ipvsadm is told to make them.
const SETUP: &str = "\
-A -t 10.0.0.1:80 -s wlc -p 300 -M 255.255.255.0
-a -t 10.0.0.1:80 -r 10.1.0.5:8080 -m -w 5 -x 200 -y 100
-a -t 10.0.0.1:80 -r 10.1.0.6:80 -g -w 0
-A -u 10.0.0.1:53 -s mh -b mh-fallback,mh-port
-a -u 10.0.0.1:53 -r 10.1.0.5:53 -i -w 1
-a -u 10.0.0.1:53 -r 10.1.0.6:53 -i -w 2 --tun-type gue --tun-port 6080 --tun-nocsum
-a -u 10.0.0.1:53 -r 10.1.0.7:53 -i -w 3 --tun-type gre --tun-csum
-a -u 10.0.0.1:53 -r [2001:db8::5]:53 -i -w 4 -x 9
-A -u 10.0.0.2:514 -s rr -o
-A --sctp-service 10.0.0.1:3868 -s rr
-a --sctp-service 10.0.0.1:3868 -r 10.1.0.5:3868 -m -w 2147483647
-A -f 7 -s rr
-a -f 7 -r 10.1.0.5:0 -g -w 1
-A -f 7 -6 -s sh -b sh-port
-a -f 7 -6 -r [2001:db8::5]:0 -g -w 1
-A -t [2001:db8::1]:443 -s rr -p 60 -M 64
-a -t [2001:db8::1]:443 -r [2001:db8::6]:443 -m -w 7
-A -u 10.0.0.1:5060 -s rr -p 60 --pe sip
-a -u 10.0.0.1:5060 -r 10.1.0.5:5060 -m -w 1";

type Table = BTreeMap<String, (Service, Vec<Destination>)>;

fn run(stage: &mut Stage) -> anyhow::Result<Value> {
    let record = stage.options()["record"] == true;
    for module in ["sctp", "ip_vs_pe_sip"] {
        modprobe(module)?;
    }
    for line in SETUP.lines() {
        ipvsadm(line)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start tokio")?;
    let value = runtime.block_on(async {
        let ipvs = Ipvs::connect().await?;
        about_itself(&ipvs).await.context("info and timeouts")?;
        let table = read(&ipvs).await?;
        ensure_equal("the table", &table, &expected())?;
        let golden = if record {
            golden(&ipvs, &table).await?
        } else {
            Value::Null
        };
        stage.progress(json!({"step": "read"}));
        weight_keeps_the_rest(&ipvs).await.context("set_weight")?;
        flags_keep_the_rest(&ipvs).await.context("set_service_flags")?;
        refusals::missing_services(&ipvs)
            .await
            .context("missing services")?;
        refusals::refused_servers(&ipvs)
            .await
            .context("refused servers")?;
        ensure_equal(
            "the table after all that was refused or undone",
            &read(&ipvs).await?,
            &table,
        )?;
        written_back(&ipvs, &table)
            .await
            .context("writing the table back")?;
        stage.progress(json!({"step": "written"}));
        Ok::<_, anyhow::Error>(golden)
    })?;
    refusals::without_permission().context("without permission")?;
    let reads = runtime.block_on(long_lists::long_lists()).context("long lists")?;
    Ok(json!({"services": expected().len(), "moving_list": reads, "golden": value}))
}

fn expected() -> Table {
    let mask = 0xffff_ffff;
    let tunnel = |kind, port, flags| Forwarding::Tunnel(Tunnel { kind, port, flags });
    [
        (
            Service {
                flags: ServiceFlags::PERSISTENT,
                persistence_secs: 300,
                ..service("tcp:10.0.0.1:80", "wlc", 0xffff_ff00)
            },
            vec![
                server("10.1.0.6:80", Forwarding::DirectRoute, 0),
                Destination {
                    upper_threshold: 200,
                    lower_threshold: 100,
                    ..server("10.1.0.5:8080", Forwarding::Masquerade, 5)
                },
            ],
        ),
        (
            Service {
                flags: ServiceFlags::SCHED1.with(ServiceFlags::SCHED2),
                ..service("udp:10.0.0.1:53", "mh", mask)
            },
            vec![
                Destination {
                    upper_threshold: 9,
                    ..server("[2001:db8::5]:53", tunnel(TunnelKind::Ipip, 0, 0), 4)
                },
                server("10.1.0.7:53", tunnel(TunnelKind::Gre, 0, 1), 3),
                server("10.1.0.6:53", tunnel(TunnelKind::Gue, 6080, 0), 2),
                server("10.1.0.5:53", tunnel(TunnelKind::Ipip, 0, 0), 1),
            ],
        ),
        (
            Service {
                flags: ServiceFlags::ONE_PACKET,
                ..service("udp:10.0.0.2:514", "rr", mask)
            },
            vec![],
        ),
        (
            service("sctp:10.0.0.1:3868", "rr", mask),
            vec![server("10.1.0.5:3868", Forwarding::Masquerade, 2_147_483_647)],
        ),
        (
            service("fwmark:7", "rr", mask),
            vec![server("10.1.0.5:0", Forwarding::DirectRoute, 1)],
        ),
        (
            Service {
                flags: ServiceFlags::SCHED2,
                ..service("fwmark6:7", "sh", 128)
            },
            vec![server("[2001:db8::5]:0", Forwarding::DirectRoute, 1)],
        ),
        (
            Service {
                flags: ServiceFlags::PERSISTENT,
                persistence_secs: 60,
                ..service("tcp:[2001:db8::1]:443", "rr", 64)
            },
            vec![server("[2001:db8::6]:443", Forwarding::Masquerade, 7)],
        ),
        (
            Service {
                flags: ServiceFlags::PERSISTENT,
                persistence_secs: 60,
                persistence_engine: Some("sip".to_owned()),
                ..service("udp:10.0.0.1:5060", "rr", mask)
            },
            vec![server("10.1.0.5:5060", Forwarding::Masquerade, 1)],
        ),
    ]
    .into_iter()
    .map(|(mut service, servers)| {
        service.flags = service.flags.with(ServiceFlags::HASHED);
        (service.identity.to_string(), (service, servers))
    })
    .collect()
}

fn service(name: &str, scheduler: &str, netmask: u32) -> Service {
    Service {
        identity: named(name),
        scheduler: scheduler.to_owned(),
        flags: ServiceFlags::default(),
        persistence_secs: 0,
        netmask,
        persistence_engine: None,
        stats: Stats::default(),
    }
}

fn server(name: &str, forwarding: Forwarding, weight: u32) -> Destination {
    Destination {
        server: name.parse().expect("a real server is written right here"),
        forwarding,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
        active: 0,
        inactive: 0,
        persistent: 0,
        stats: Stats::default(),
    }
}

fn named(name: &str) -> VirtualService {
    name.parse().expect("a virtual service is written right here")
}

async fn read(ipvs: &Ipvs) -> anyhow::Result<Table> {
    let mut table = Table::new();
    for service in ipvs.services().await? {
        ensure_equal(
            "the service read alone",
            &ipvs.service(&service.identity).await?,
            &service,
        )?;
        let servers = ipvs.destinations(&service.identity).await?;
        table.insert(service.identity.to_string(), (service, servers));
    }
    Ok(table)
}

async fn about_itself(ipvs: &Ipvs) -> anyhow::Result<()> {
    let info = ipvs.info().await?;
    ensure_equal("the version of IPVS", &info.version, &(1, 2, 1))?;
    let default = Timeouts {
        tcp_secs: 900,
        tcp_fin_secs: 120,
        udp_secs: 300,
    };
    ensure_equal("the default timeouts", &ipvs.timeouts().await?, &default)?;
    ipvs.set_timeouts(&Timeouts {
        tcp_secs: 901,
        tcp_fin_secs: 0,
        udp_secs: 31,
    })
    .await?;
    let changed = Timeouts {
        tcp_secs: 901,
        udp_secs: 31,
        ..default
    };
    ensure_equal(
        "the timeouts, 0 meaning unchanged",
        &ipvs.timeouts().await?,
        &changed,
    )?;
    ipvs.set_timeouts(&default).await?;
    Ok(())
}

/// The kernel would reset whatever a change leaves out: thresholds to 0, a GUE or GRE tunnel to IPIP.
async fn weight_keeps_the_rest(ipvs: &Ipvs) -> anyhow::Result<()> {
    for (name, (_, servers)) in expected() {
        let service = named(&name);
        for before in servers {
            ensure_equal(
                "the server before",
                &ipvs.set_weight(&service, &before.server, 0).await?,
                &before,
            )?;
            let quiesced = Destination {
                weight: 0,
                ..before.clone()
            };
            ensure_equal(
                "the quiesced server",
                &ipvs.destination(&service, &before.server).await?,
                &quiesced,
            )?;
            ipvs.set_destination(&service, &before).await?;
        }
    }
    Ok(())
}

async fn flags_keep_the_rest(ipvs: &Ipvs) -> anyhow::Result<()> {
    for (name, (before, _)) in expected() {
        let service = named(&name);
        let flag = ServiceFlags::SCHED1;
        for (flags, mask) in [
            (before.flags.with(flag), flag),
            (before.flags.without(flag), flag),
        ] {
            ipvs.set_service_flags(&service, flags, mask).await?;
            let changed = Service {
                flags,
                ..before.clone()
            };
            ensure_equal(
                "the service with another flag",
                &ipvs.service(&service).await?,
                &changed,
            )?;
        }
        let changed = ipvs.set_service_flags(&service, before.flags, flag).await?;
        ensure_equal(
            "what set_service_flags says was before",
            &changed.flags,
            &before.flags.without(flag),
        )?;
    }
    Ok(())
}

/// What the client writes from what it read is what ipvsadm wrote, to ipvsadm and to itself.
async fn written_back(ipvs: &Ipvs, table: &Table) -> anyhow::Result<()> {
    let before = saved()?;
    for (service, servers) in table.values() {
        for server in servers {
            ipvs.remove_destination(&service.identity, &server.server).await?;
        }
        ensure!(
            ipvs.destinations(&service.identity).await?.is_empty(),
            "servers are left in {service:?}"
        );
        ipvs.remove_service(&service.identity).await?;
    }
    ensure!(
        ipvs.services().await?.is_empty(),
        "services are left: {}",
        ipvsadm("-S -n")?
    );
    for (service, servers) in table.values() {
        ipvs.add_service(service).await?;
        // Dumps show the newest first.
        for server in servers.iter().rev() {
            ipvs.add_destination(&service.identity, server).await?;
        }
    }
    ensure_equal("the table as ipvsadm saves it", &saved()?, &before)?;
    ensure_equal("the table", &read(ipvs).await?, table)
}

/// The kernel's own bytes for each list, with what they must be read as.
async fn golden(ipvs: &Ipvs, table: &Table) -> anyhow::Result<Value> {
    ipvs.record().await;
    ipvs.services().await?;
    let services = hex(&ipvs.recorded().await);
    let mut rows = Vec::new();
    for (service, servers) in table.values() {
        ipvs.record().await;
        ipvs.destinations(&service.identity).await?;
        let datagrams = hex(&ipvs.recorded().await);
        rows.push(json!({"service": service, "destinations": servers, "datagrams": datagrams}));
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("cannot read the release")?;
    Ok(json!({"kernel": release.trim(), "services": services, "table": rows}))
}

fn hex(datagrams: &[Vec<u8>]) -> Vec<String> {
    let spell = |bytes: &Vec<u8>| {
        bytes
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    };
    datagrams.iter().map(spell).collect()
}

/// `ipvsadm -S` shows services in the order of the kernel's buckets, which is not ours to keep.
fn saved() -> anyhow::Result<BTreeSet<String>> {
    Ok(ipvsadm("-S -n")?.lines().map(str::to_owned).collect())
}

fn ensure_equal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> anyhow::Result<()> {
    ensure!(
        found == wanted,
        "{what} is not as it should be\n found {found:?}\nwanted {wanted:?}"
    );
    Ok(())
}

fn ipvsadm(arguments: &str) -> anyhow::Result<String> {
    command("ipvsadm", arguments)
}

fn modprobe(module: &str) -> anyhow::Result<String> {
    command("modprobe", module)
}

fn command(program: &str, arguments: &str) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments.split(' '))
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(
        output.status.success(),
        "{program} {arguments}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
