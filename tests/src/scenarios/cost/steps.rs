//! What the pure decision takes: one step of a drain whose flows are live, by nobody but this process.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvsdrain::drain::{
    AtZero, Borrowed, Capacity, Evidence, Facts, Flows, Ground, Lacking, Member, Policy, Reason, Record,
    Request, Rung, Scheduler, Server, Service, State, Table, begin, step,
};
use ipvsdrain::forwarding::{Configuration, Forwarding};
use ipvsdrain::identity::RealServer;
use ipvsdrain::moment::Moment;

use super::figures::Figures;
use super::meter::instructions_since;
use crate::clock;

const STEPS: u32 = 10_000;
const TICK: Duration = Duration::from_millis(500);
/// Other servers of the service.
const OTHERS: u8 = 9;

pub(super) fn measure(figures: &mut Figures) -> Result<()> {
    let mut now = clock::now();
    let mut facts = facts(now);
    let mut record = begun(&facts, now)?;
    weigh(&mut facts, 0);
    let began = clock::now();
    for number in 0..u64::from(STEPS) {
        if let Evidence::Known(flows) = &mut facts.flows {
            flows.packets = number;
            flows.forwarded = number;
            flows.last_packet = Some(now);
        }
        if let Table::Present(server) = &mut facts.table {
            server.packets = number;
        }
        record = black_box(step(&record, black_box(&facts), now)).record;
        now = now + TICK;
    }
    let spent = instructions_since(began);
    ensure!(
        record.state == State::Draining && record.observed.held.is_none(),
        "a drain with live flows goes on: {record:?}"
    );
    figures.note(
        "one decision of the pure core",
        "instructions",
        spent / f64::from(STEPS),
    );
    Ok(())
}

fn begun(facts: &Facts, now: Moment) -> Result<Record> {
    let request = Request {
        service: "udp:10.0.0.1:53".parse()?,
        server: "10.1.0.5:53".parse()?,
        policy: Policy::default(),
        reason: Reason::Planned,
        who: "somebody".to_owned(),
        why: "a new disk".to_owned(),
        ticket: String::new(),
        forced: false,
        shadow: false,
        weight_before: None,
        failure: None,
    };
    let Evidence::Known(service) = &facts.service else {
        unreachable!("the facts are made below")
    };
    let ground = Ground {
        table: &facts.table,
        service: service.as_ref(),
        capacity: facts.capacity,
        boot_id: "boot",
        now_unix: 0,
    };
    begin(&request, &ground, now).context("a drain that nothing speaks against")
}

fn weigh(facts: &mut Facts, weight: u32) {
    if let Table::Present(server) = &mut facts.table {
        server.configuration.weight = weight;
    }
}

/// A server with ten live flows, and nine others.
fn facts(now: Moment) -> Facts {
    let weight = 5;
    let others: Vec<Member> = (0..OTHERS)
        .map(|number| Member {
            server: RealServer(([10, 1, 1, number], 53).into()),
            weight,
            full: weight,
        })
        .collect();
    let server = Server {
        configuration: Configuration {
            forwarding: Forwarding::DirectRoute,
            weight,
            upper_threshold: 0,
            lower_threshold: 0,
        },
        active: 0,
        inactive: 10,
        persistent: 0,
        packets: 0,
        packets_out: 0,
    };
    let flows = Flows {
        udp: 10,
        tcp_open: 0,
        tcp_closing: 0,
        forwarded: 0,
        packets: 0,
        started: 0,
        last_packet: None,
        watched_since: now,
        rung: Rung::Probes,
        arrivals: None,
    };
    Facts {
        table: Table::Present(server),
        flows: Evidence::Known(flows),
        lacking: Lacking::default(),
        counters: Evidence::Known(()),
        capacity: Capacity::without(weight, &others),
        service: Evidence::Known(Some(Service {
            scheduler: Scheduler {
                name: "wrr".to_owned(),
                at_zero: AtZero::Skips,
            },
            persistent: false,
            others,
        })),
        expire_nodest_conn: Evidence::Known(false),
        expire_quiescent_template: Evidence::Known(false),
        reuses_connections: Evidence::Known(false),
        flushes_entries: true,
        borrowed_elsewhere: Borrowed::default(),
        health: None,
        watched: true,
    }
}
