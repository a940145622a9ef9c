//! The services in the table, what is left of each, and their servers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::view::ByServer;
use crate::api::{HealthView, JournalView, Says};
use crate::drain::{Floor, Record};
use crate::identity::{RealServer, VirtualService};
use crate::metrics::{Left, Sight, capacities};
use crate::supervise::{ListedServer, ListedService};

#[derive(Serialize)]
pub(super) struct ServiceRow {
    service: VirtualService,
    scheduler: String,
    /// Servers that take new flows.
    weighted: u64,
    /// All servers, with those that a drain removed lately, and the share of their weight that takes new flows; `null`
    /// while the drains are not known.
    whole: Option<Whole>,
    /// What drains must leave.
    floor: Option<Floor>,
    servers: Vec<ServerRow>,
}

#[derive(Serialize)]
struct Whole {
    servers: u64,
    percent: u64,
    blocked: u64,
}

#[derive(Serialize)]
struct ServerRow {
    server: RealServer,
    method: &'static str,
    weight: u32,
    active: u32,
    inactive: u32,
    persistent: u32,
    /// In a word.
    state: String,
    /// The drain under way does not go on.
    held: bool,
    /// `null` while nobody speaks of it.
    health: Option<Health>,
}

#[derive(Serialize)]
struct Health {
    word: &'static str,
    says: Says,
    alarm: bool,
    seconds: f64,
    because: Option<String>,
    doing: String,
}

pub(super) fn services(
    sight: &Sight<'_>,
    drains: &ByServer<'_, Record>,
    health: &[HealthView],
    journal: &JournalView,
) -> Vec<ServiceRow> {
    let health: ByServer<'_, HealthView> = health
        .iter()
        .map(|health| ((health.service, health.server), health))
        .collect();
    let mut left = capacities(sight);
    let around = Around {
        drains,
        health: &health,
        journal,
    };
    let listed = sight.listing.into_iter().flatten();
    listed.map(|listed| service(listed, &mut left, &around)).collect()
}

/// What else is known of servers.
struct Around<'a> {
    drains: &'a ByServer<'a, Record>,
    health: &'a ByServer<'a, HealthView>,
    journal: &'a JournalView,
}

fn service(
    listed: &ListedService,
    left: &mut BTreeMap<VirtualService, (Left, Option<Floor>)>,
    around: &Around<'_>,
) -> ServiceRow {
    let (left, floor) = left.remove(&listed.service).unwrap_or_default();
    // All of it where nothing has a weight, as the floor has it.
    let percent = (left.weight * 100).checked_div(left.full).unwrap_or(100);
    let whole = Whole {
        servers: left.servers,
        percent,
        blocked: left.blocked,
    };
    let servers = listed.servers.iter();
    ServiceRow {
        service: listed.service,
        scheduler: listed.scheduler.clone(),
        weighted: left.weighted,
        // Before the drains are known, nobody knows what the service has when it is whole.
        whole: Some(whole).filter(|_| around.journal.drains_known),
        floor,
        servers: servers
            .map(|server| around.server(listed.service, server))
            .collect(),
    }
}

impl Around<'_> {
    fn server(&self, service: VirtualService, listed: &ListedServer) -> ServerRow {
        let key = (service, listed.server);
        let weight = listed.configuration.weight;
        let drain = self.drains.get(&key).filter(|drain| !drain.state.is_final());
        ServerRow {
            server: listed.server,
            method: listed.configuration.forwarding.words(),
            weight,
            active: listed.active,
            inactive: listed.inactive,
            persistent: listed.persistent,
            state: drain
                .map_or(self.journal.word_without_drain(weight), |drain| {
                    drain.state.word()
                })
                .to_owned(),
            held: drain.is_some_and(|drain| drain.observed.held.is_some()),
            health: self.health.get(&key).map(|health| Health {
                word: health.word(),
                says: health.verdict,
                alarm: health.alarm,
                seconds: health.seconds,
                because: health.because.clone(),
                doing: health.doing.clone(),
            }),
        }
    }
}
