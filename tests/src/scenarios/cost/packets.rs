//! `cost-packets`: instructions per forwarded packet beside the daemon as it is shipped, in each state in which a packet
//! may find it.

use anyhow::{Context, Result};
use ipvsdrain::identity::Protocol;
use serde_json::{Value, json};

use super::figures::Figures;
use super::packet::{PORT, Packet, SENT, datagram, least_instructions, segment};
use super::setting::{Setting, all_counted, await_drain, drain, restore};
use crate::daemon::Daemon;
use crate::scenario::{Scenario, Stage};
use crate::world::{Forwarding, Place, World};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cost-packets",
    about: "instructions per packet beside the daemon: idle, and while each kind of server is drained",
    programs: &[],
    observes: true,
    run,
};

/// No drain ends by itself here.
const UNHURRIED: [&str; 2] = ["--udp-quiet", "240s"];
/// As the daemon counts arrivals by itself, and not at all.
const ARRIVALS: [(&str, &str); 2] = [("auto", "arrivals counted"), ("off", "arrivals not counted")];

fn run(stage: &mut Stage) -> Result<Value> {
    let world = World::build(Forwarding::DirectRoute, 2)?;
    // A classifier needs it before 6.6. What it costs by itself is in every figure, and so in no difference.
    world.director().machine().add_clsact()?;
    let stranger = world.director().balance_crowd(1, 2)?[0];
    let mut all = Figures::of("packets");
    for (protocol, name, traffic) in [
        (Protocol::Udp, "UDP", datagram as fn(&World) -> Result<Packet>),
        (Protocol::Tcp, "TCP", segment),
    ] {
        let bench = Bench {
            setting: Setting::of(&world, protocol, PORT)?,
            stranger,
            name,
            traffic,
        };
        bench.measure(stage, &mut all).context(name)?;
    }
    Ok(all.told())
}

/// One protocol.
struct Bench<'world> {
    setting: Setting<'world>,
    /// A server of another service, without traffic.
    stranger: Place,
    name: &'static str,
    traffic: fn(&World) -> Result<Packet>,
}

impl Bench<'_> {
    fn measure(&self, stage: &mut Stage, figures: &mut Figures) -> Result<()> {
        let name = self.name;
        let nothing = self.cost(|| Ok(()))?;
        figures.note(
            format!("{name}, no daemon: the whole round"),
            "instructions",
            nothing,
        );
        for (way, told) in ARRIVALS {
            let daemon = Daemon::start(self.setting.world, &["--arrivals", way])?;
            let mut more = |what: &str, cost: f64| {
                stage.progress(json!({"step": format!("{name}, {what}")}));
                figures.note(format!("{name}, {what}"), "more instructions", cost - nothing);
            };
            if way == "auto" {
                more("daemon idle", self.cost(|| Ok(()))?);
            }
            for (place, what) in [
                (self.stranger, "a server of another service is drained"),
                (self.setting.neighbour, "another server of the service is drained"),
                (self.setting.this, "this server is drained"),
            ] {
                let cost = self.cost(|| drain(&daemon, place, &UNHURRIED))?;
                more(&format!("{what}, {told}"), cost);
                // Only UDP's packets are known to the last one: a connection also closes.
                if place == self.setting.this && way == "auto" && name == "UDP" {
                    let sent = u64::from(SENT);
                    let seen = await_drain(&daemon, place, |drain| drain.forwarded >= Some(sent))?;
                    all_counted(&seen, sent)?;
                }
                restore(&daemon, place)?;
            }
        }
        Ok(())
    }

    /// Instructions per packet to this server, whose flow began before `prepare`.
    fn cost(&self, prepare: impl FnOnce() -> Result<()>) -> Result<f64> {
        // Sockets of its own, because a TCP connection grows dearer at a certain age.
        let mut packet = self.setting.at_this(|| {
            let mut packet = (self.traffic)(self.setting.world)?;
            least_instructions(&mut packet)?;
            Ok(packet)
        })?;
        prepare()?;
        least_instructions(&mut packet)
    }
}
