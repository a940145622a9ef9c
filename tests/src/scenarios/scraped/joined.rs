//! `node-exporter-joined`: in a real Prometheus each real server of ours joins with what node_exporter's IPVS collector says
//! of the same one, by labels alone, whatever kind of service it is in.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::METRICS;
use super::prometheus::{PROGRAMS, Prometheus, Wanted};
use crate::clock;
use crate::daemon::Daemon;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, World};

pub(in crate::scenarios) const SCENARIO: Scenario = Scenario {
    name: "node-exporter-joined",
    about: "each server joins with node_exporter's by its labels: UDP, TCP, IPv4, IPv6, by mark",
    programs: &PROGRAMS,
    observes: false,
    run,
};

/// Each kind of service, with weights that tell all servers apart.
const TABLE: &str = "\
-A -t 10.0.0.1:80 -s wrr
-a -t 10.0.0.1:80 -r 10.1.0.5:80 -g -w 11
-a -t 10.0.0.1:80 -r 10.1.0.6:8080 -m -w 12
-A -u 10.0.0.1:53 -s wrr -o
-a -u 10.0.0.1:53 -r 10.1.0.5:53 -g -w 21
-a -u 10.0.0.1:53 -r 10.1.0.6:53 -g -w 0
-A -t [2001:db8::1]:80 -s wrr
-a -t [2001:db8::1]:80 -r [2001:db8:1::5]:80 -g -w 31
-A -u [2001:db8::1]:53 -s wrr
-a -u [2001:db8::1]:53 -r [2001:db8:1::5]:53 -g -w 41
-a -u [2001:db8::1]:53 -r [2001:db8:1::6]:5353 -m -w 42
-A -f 7 -s wrr
-a -f 7 -r 10.1.0.5:0 -g -w 51
-A -f 43690 -s wrr -p 300
-a -f 43690 -r 10.1.0.6:0 -g -w 61
-A -f 7 -6 -s wrr
-a -f 7 -6 -r [2001:db8:1::5]:0 -g -w 71
";
/// What procfs, which node_exporter reads it with, has no word for.
const SCTP: &str = "\
-A --sctp-service 10.0.0.1:3868 -s wrr
-a --sctp-service 10.0.0.1:3868 -r 10.1.0.5:3868 -m -w 81
";
const LABELS: &str = "local_address, local_port, proto, local_mark, remote_address, remote_port";
/// Two scrapes of each, and one that was under way.
const SCRAPED: Duration = Duration::from_secs(4);

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build_dual_stack(Forwarding::DirectRoute, 2)?;
    world.director().restore(TABLE)?;
    let _daemon = Daemon::start(&world, &[])?;
    let prometheus = Prometheus::start(&world, METRICS, &Wanted::default())?;
    let servers = world
        .director()
        .saved()?
        .lines()
        .filter(|line| line.starts_with("-a"))
        .count();

    let joined = |operator: &str| {
        let query =
            format!("ipvsdrain_server_weight {operator} on({LABELS}) group_left() node_ipvs_backend_weight");
        prometheus.instant(&query).map(|series| (query, series))
    };
    let (query, all) = joined("* 0 +")?;
    let (same_query, same) = joined("==")?;
    stage.progress(json!({query: all.len(), same_query: same.len(), "servers by ipvsadm": servers}));
    ensure!(
        all.len() == servers && same.len() == servers,
        "{} of {servers} servers join, {} with the same weight: {} and {}",
        all.len(),
        same.len(),
        json!(prometheus.instant("ipvsdrain_server_weight")?),
        json!(prometheus.instant("node_ipvs_backend_weight")?)
    );
    // As an operator would use it: how much traffic goes to servers that are not to get any.
    let traffic =
        format!("node_ipvs_backend_connections_inactive and on({LABELS}) (ipvsdrain_server_weight == 0)");
    ensure!(
        prometheus.instant(&traffic)?.len() == 1,
        "the one server at weight 0 joins with its connections"
    );

    world.director().restore(SCTP).context("SCTP")?;
    clock::pass(SCRAPED);
    let sctp = prometheus.instant("ipvsdrain_server_weight{proto=\"SCTP\"}")?;
    ensure!(sctp.len() == 1, "the server of SCTP is shown: {sctp:?}");
    let theirs = prometheus.instant("node_ipvs_backend_weight{remote_port=\"3868\"}")?;
    let (_, with_sctp) = joined("==")?;
    ensure!(
        with_sctp.len() >= servers,
        "SCTP is in the way of others: {} of {servers}",
        with_sctp.len()
    );
    Ok(json!({
        "servers": servers,
        "joined": all.len(),
        "of the same weight": same.len(),
        "SCTP at node_exporter": theirs.iter().map(|series| series["metric"].clone()).collect::<Vec<_>>(),
    }))
}
