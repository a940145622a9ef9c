//! Everything that the page shows at one moment, as JSON. Made of what others show; nothing is judged here.

use std::collections::HashMap;

use serde::Serialize;

use super::super::Shared;
use super::drains::{Ended, UnderWay, ended, under_way};
use super::past::seconds;
use super::services::{ServiceRow, services};
use crate::api::{HealthView, JournalView};
use crate::clock;
use crate::drain::{Record, Stance};
use crate::identity::{RealServer, VirtualService};
use crate::metrics::Sight;
use crate::supervise::{Overview, Tally};

pub(super) type ByServer<'a, T> = HashMap<(VirtualService, RealServer), &'a T>;

#[derive(Serialize)]
struct Now<'a> {
    version: &'static str,
    host: &'a str,
    /// Seconds on the clock of the points, and since 1970.
    at: f64,
    unix: u64,
    /// Everything is decided and nothing changed.
    shadow: bool,
    /// Why the table is not known; `null` while it is.
    table_fault: Option<String>,
    /// `null` while the table is not known.
    services: Option<Vec<ServiceRow>>,
    /// Is it known which drains there are?
    drains_known: bool,
    drains: Vec<UnderWay>,
    ended: Vec<Ended>,
    /// `null` while the supervisor does not answer.
    alarms: Option<Vec<Alarm>>,
    journal: JournalView,
    /// Names of the attached programs; `null` as above.
    attached: Option<Vec<String>>,
}

/// What somebody should look at.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Alarm {
    service: VirtualService,
    /// `null` where it is the whole service.
    server: Option<RealServer>,
    text: String,
}

pub(super) fn written(shared: &Shared, overview: Result<Overview, String>) -> String {
    let (listing, attached, known, tally) = match overview {
        Ok(Overview {
            listing,
            attached,
            health,
            tally,
            ..
        }) => {
            let listing = listing.map_err(|fault| fault.to_string());
            (listing, Some(attached), Some(health), tally)
        }
        Err(silence) => (Err(silence), None, None, Tally::default()),
    };
    let records = shared.handle.drains.borrow().clone();
    let condition = shared.handle.journal.borrow().clone();
    let rules = shared.config.borrow().rules.clone();
    let by_server: ByServer<'_, Record> = records
        .iter()
        .map(|record| ((record.service, record.server), record))
        .collect();
    let health = known.as_ref().map(|known| {
        let view = |known| HealthView::of(known, by_server.get(&(known.service, known.server)).copied());
        known.iter().map(view).collect::<Vec<_>>()
    });
    let now = clock::now();
    let sight = Sight {
        now,
        listing: listing.as_ref().ok(),
        drains: &records,
        health: known.as_deref().unwrap_or_default(),
        attached: attached.as_deref().unwrap_or_default(),
        journal: &condition,
        rules: &rules,
        usage: None,
        tally: &tally,
        reloads: *shared.reloads.borrow(),
    };
    let past = shared.page.past();
    let unix = clock::now_unix();
    let journal = JournalView::of(&condition, listing.as_ref().unwrap_or(&Vec::new()));
    let everything = Now {
        version: env!("CARGO_PKG_VERSION"),
        host: &shared.page.host,
        at: seconds(now),
        unix,
        shadow: rules.shadow,
        services: listing.as_ref().ok().map(|_| {
            services(
                &sight,
                &by_server,
                health.as_deref().unwrap_or_default(),
                &journal,
            )
        }),
        drains_known: condition.drains_known,
        drains: under_way(&records, &past, now),
        ended: ended(&records, unix),
        alarms: health.as_deref().map(alarms),
        journal,
        attached: attached.clone(),
        table_fault: listing.as_ref().err().cloned(),
    };
    // Plain data: it can always be written out.
    serde_json::to_string(&everything).unwrap_or_default()
}

/// Where a whole service fails, once.
pub(super) fn alarms(health: &[HealthView]) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    for health in health.iter().filter(|health| health.alarm) {
        let is_whole = health.stance == Stance::AllFail;
        let alarm = Alarm {
            service: health.service,
            server: Some(health.server).filter(|_| !is_whole),
            text: if is_whole {
                ALL_FAIL.to_owned()
            } else {
                health.doing.clone()
            },
        };
        if !alarms.contains(&alarm) {
            alarms.push(alarm);
        }
    }
    alarms
}

const ALL_FAIL: &str =
    "all its servers fail: more likely whoever checks them is at fault, so nothing is done about them";
