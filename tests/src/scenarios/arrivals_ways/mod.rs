//! `arrivals-ways`: whichever way arrivals are counted, and whoever else is on the interface, the count is what was
//! sent; and where a way is taken away, the count is unknown and not too low.

mod bench;
mod other_hand;

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use aya::programs::XdpMode;
use ipvsdrain::observe::Preference;
use serde_json::{Value, json};

use self::bench::Bench;
use self::other_hand::OtherHand;
use crate::scenario::{Scenario, Stage};
use crate::world::World;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "arrivals-ways",
    about: "arrivals are counted exactly by every way, beside other hands' programs, in VLANs, after an interface is gone",
    programs: &[],
    observes: true,
    run,
};

type Case = (&'static str, fn() -> Result<Value>);

/// The default way: before 6.6 a classifier would need `clsact`, which only another hand adds.
const DEFAULT: &[&str] = &["tcx:eth0", "xdp-generic:eth0"];
const CLASSIFIER: &[&str] = &["tcx:eth0", "tc:eth0"];

const CASES: [Case; 13] = [
    ("the default way", || alone(Preference::Auto, DEFAULT)),
    ("a classifier", classifier),
    ("native XDP", || alone(Preference::Xdp, &["xdp:eth0"])),
    ("native XDP and TCP", native_tcp),
    ("generic XDP", || {
        alone(Preference::XdpGeneric, &["xdp-generic:eth0"])
    }),
    ("beside a native XDP program", || {
        beside(Preference::Xdp, |world| {
            world.director().machine().add_clsact()?;
            OtherHand::with_xdp(world, XdpMode::Driver)
        })
    }),
    ("beside a generic XDP program", || {
        beside(Preference::Xdp, |world| {
            world.director().machine().add_clsact()?;
            OtherHand::with_xdp(world, XdpMode::Skb)
        })
    }),
    ("beside an XDP program, without clsact", no_way),
    ("beside a classifier", || {
        beside(Preference::Auto, OtherHand::with_classifier)
    }),
    ("in a VLAN", || in_vlan(&["eth0.10"])),
    ("in a VLAN in a VLAN", || in_vlan(&["eth0.10", "eth0.10.20"])),
    ("after an interface is gone, by the default way", || {
        interface_gone(Preference::Auto)
    }),
    ("after an interface is gone, by generic XDP", || {
        interface_gone(Preference::XdpGeneric)
    }),
];

fn run(stage: &mut Stage) -> Result<Value> {
    let mut seen = Vec::new();
    let mut wrong = Vec::new();
    for (name, case) in CASES {
        stage.progress(json!({"case": name}));
        match case() {
            Ok(told) => seen.push(json!({"case": name, "seen": told})),
            Err(error) => wrong.push(format!("{name}: {error:#}")),
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(json!(seen))
}

/// Nothing else on the interface: the first way is taken.
fn alone(preference: Preference, expected: &[&str]) -> Result<Value> {
    let mut bench = Bench::set_up(preference, |_| Ok(()))?;
    bench.watch()?;
    one_of(&bench, expected)?;
    bench.count()
}

fn classifier() -> Result<Value> {
    let mut bench = Bench::set_up(Preference::Auto, |world| world.director().machine().add_clsact())?;
    bench.watch()?;
    one_of(&bench, CLASSIFIER)?;
    bench.count()
}

/// Every way is taken or would lose packets: arrivals are not counted, and it says why. From 6.6 on there is always one.
fn no_way() -> Result<Value> {
    let mut hand = None;
    let mut bench = Bench::set_up(Preference::Auto, |world| {
        hand = Some(OtherHand::with_xdp(world, XdpMode::Skb)?);
        Ok(())
    })?;
    bench.watch()?;
    if bench.ways() == ["tcx:eth0"] {
        return bench.count();
    }
    let why = bench.arrivals()?.err().context("known, though not counted")?;
    ensure!(
        bench.ways().is_empty() && why.contains("generic XDP not possible") && why.contains("no clsact"),
        "counted by {:?}, or unknown for another reason: {why}",
        bench.ways()
    );
    Ok(json!({"unknown": why}))
}

/// Native XDP counts no TCP: what such a service lost is unknown from the start, even if no packet tells.
fn native_tcp() -> Result<Value> {
    let mut bench = Bench::set_up(Preference::Xdp, |_| Ok(()))?;
    bench.watch_tcp()?;
    let why = bench.arrivals()?.err().context("known, though not counted")?;
    ensure!(
        why.contains("xdp:eth0") && why.contains("TCP"),
        "unknown for another reason: {why}"
    );
    Ok(json!({"unknown": why}))
}

/// Another hand's program has the interface already: it stays and sees every packet. XDP gives way to a classifier,
/// a classifier shares.
fn beside(preference: Preference, other: fn(&World) -> Result<OtherHand>) -> Result<Value> {
    let mut hand = None;
    let mut bench = Bench::set_up(preference, |world| {
        hand = Some(other(world)?);
        Ok(())
    })?;
    let hand = hand.context("nobody prepared")?;
    bench.watch()?;
    one_of(&bench, CLASSIFIER)?;
    let told = bench.count()?;
    let seen = hand.seen()?;
    ensure!(
        seen == Bench::sent_by_count(),
        "the other hand's program saw {seen} of {} packets",
        Bench::sent_by_count()
    );
    bench.unwatch()?;
    bench.watch()?;
    one_of(&bench, CLASSIFIER)?;
    Ok(told)
}

/// The client reaches the VIP through VLANs stacked on each other. They bring the same packets that `eth0` does, and
/// are not looked at. One tag travels beside the frame, a second one inside.
fn in_vlan(devices: &[&str]) -> Result<Value> {
    let last = devices.last().context("no VLAN")?;
    let mut bench = Bench::set_up(Preference::Auto, |world| {
        for (host, machine) in [(2, world.client()), (1, world.director().machine())] {
            let mut lines = String::new();
            for device in devices {
                let (link, id) = device.rsplit_once('.').context("a VLAN has a number")?;
                let _ = writeln!(
                    lines,
                    "link add link {link} name {device} type vlan id {id}\nlink set {device} up"
                );
            }
            let _ = writeln!(lines, "addr add 10.10.0.{host}/24 dev {last}");
            machine.ip(&lines)?;
        }
        world.client().ip(&format!(
            "route replace {}/32 via 10.10.0.1 dev {last}\n",
            crate::world::VIP
        ))
    })?;
    bench.watch()?;
    one_of(&bench, DEFAULT)?;
    bench.count()
}

/// One of two interfaces is deleted during the watch, and its program with it.
fn interface_gone(preference: Preference) -> Result<Value> {
    let extra = |bench: &Bench, verb: &str| {
        let director = bench.world.director().machine();
        director.ip(&format!(
            "link {verb} extra0{}\n",
            if verb == "add" {
                " type dummy\nlink set extra0 up"
            } else {
                ""
            }
        ))
    };
    let mut bench = Bench::set_up(preference, |_| Ok(()))?;
    extra(&bench, "add")?;
    bench.watch()?;
    ensure!(
        bench.ways().len() == 2,
        "not on both interfaces: {:?}",
        bench.ways()
    );
    bench.arrivals()?.map_err(anyhow::Error::msg)?;
    extra(&bench, "del")?;
    let why = bench
        .arrivals()?
        .err()
        .context("still known, though an interface is gone")?;
    ensure!(why.contains("extra0"), "unknown for another reason: {why}");
    bench.mend()?;
    ensure!(bench.ways().len() == 1, "not mended: {:?}", bench.ways());
    bench
        .arrivals()?
        .err()
        .context("known, though a while is missing")?;
    bench.unwatch()?;
    bench.watch()?;
    bench.count()
}

fn one_of(bench: &Bench, expected: &[&str]) -> Result<()> {
    let ways = bench.ways();
    let is_one = matches!(&ways[..], [way] if expected.contains(&way.as_str()));
    ensure!(
        is_one,
        "attached: {ways:?}, not one of {expected:?}; {}",
        bench.why_none().unwrap_or_default()
    );
    Ok(())
}
