//! A plain drain of UDP and of TCP under the settings of the kernel that decide what becomes of a late packet:
//! `expire_nodest_conn`, and whether IPVS keeps its conntrack entries.

use std::time::Duration;

use anyhow::Result;
use ipvsdrain::identity::Protocol;

use super::judged::End;
use super::row::Row;
use super::setting::{Case, Setting};
use super::traffic::LAST;
use crate::traffic::Replies;
use crate::world::Forwarding;

pub(super) fn rows() -> Vec<Row> {
    let setting = |protocol, nodest, conntrack| {
        Setting {
            // The method that conntrack entries matter to.
            forwarding: Forwarding::Masquerade,
            ..Setting::of(protocol)
        }
        .with_sysctl("net.ipv4.vs.expire_nodest_conn", nodest)
        .with_sysctl("net.ipv4.vs.conntrack", conntrack)
    };
    let udp = |name, nodest, conntrack| Row::new(name, setting(Protocol::Udp, nodest, conntrack), udp);
    let tcp = |name, nodest, conntrack| Row::new(name, setting(Protocol::Tcp, nodest, conntrack), tcp);
    vec![
        udp("udp-nodest0-conntrack0", "0", "0"),
        udp("udp-nodest0-conntrack1", "0", "1"),
        udp("udp-nodest1-conntrack0", "1", "0"),
        udp("udp-nodest1-conntrack1", "1", "1"),
        tcp("tcp-nodest0-conntrack0", "0", "0"),
        tcp("tcp-nodest0-conntrack1", "0", "1"),
        tcp("tcp-nodest1-conntrack0", "1", "0"),
        tcp("tcp-nodest1-conntrack1", "1", "1"),
    ]
}

fn udp(case: &mut Case<'_>) -> Result<()> {
    track(case)?;
    case.send_udp(LAST, Replies::Echo)?;
    let drain = case.drain(&[])?;
    case.judge_end(drain, End::IDLE)
}

fn tcp(case: &mut Case<'_>) -> Result<()> {
    track(case)?;
    case.connect_tcp(LAST, Some(Duration::from_millis(500)))?;
    let drain = case.drain(&[])?;
    case.judge_end(drain, End::IDLE)
}

/// A rule that asks for the state of connections: without one nothing is tracked at all.
fn track(case: &Case<'_>) -> Result<()> {
    let rules = "table ip state {\n\
        chain arriving { type filter hook prerouting priority filter; }\n\
        }\n\
        add rule ip state arriving ct state established accept\n";
    let director = case.world.director().machine();
    director.run("nft", &["-f", "-"], rules).map(drop)
}
