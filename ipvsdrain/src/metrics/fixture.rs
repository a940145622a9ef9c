//! What scenes for a scrape are made of. [`super::everything`] is one with all of it.

use std::time::Duration;

use serde_json::json;

use super::{Format, Lifetime, Sight, families, of_the_process, write};
use crate::config::Reloads;
use crate::drain::{
    Arrivals, Failure, Flows, Hold, Observed, Outcome, Policy, Reason, Record, Rules, Rung, Stance, State,
    Transition,
};
use crate::forwarding::{Configuration, Forwarding};
use crate::health::{Belief, Health, Says, Verdict, Word};
use crate::moment::Moment;
use crate::supervise::{JournalCondition, ListedServer, ListedService, Listing, ServerHealth, Tally, Usage};

pub(super) const DNS: &str = "udp:10.0.0.1:53";
pub(super) const WEB: &str = "tcp:[2001:db8::1]:443";

pub(super) const NOW: Moment = Moment::from_secs(1000);

/// All that one scrape is made of, owned.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) listing: Option<Listing>,
    pub(super) drains: Vec<Record>,
    pub(super) health: Vec<ServerHealth>,
    pub(super) attached: Vec<String>,
    pub(super) journal: JournalCondition,
    pub(super) rules: Rules,
    pub(super) usage: Option<Usage>,
    pub(super) tally: Tally,
    pub(super) reloads: Reloads,
    pub(super) lifetime: Lifetime,
}

impl Scene {
    /// Nothing in the table, and nothing wrong.
    pub(super) fn empty() -> Self {
        Self {
            listing: Some(Vec::new()),
            drains: Vec::new(),
            health: Vec::new(),
            attached: Vec::new(),
            journal: JournalCondition {
                fault: None,
                drains_known: true,
            },
            rules: Rules::default(),
            usage: Some(Usage {
                flows: Some(0),
                capacity: 262_144,
                untracked: 0,
                programs: Vec::new(),
            }),
            tally: Tally::default(),
            reloads: Reloads::since(1_700_000_000),
            lifetime: Lifetime::new().unwrap(),
        }
    }

    pub(super) fn sight(&self) -> Sight<'_> {
        Sight {
            now: NOW,
            listing: self.listing.as_ref(),
            drains: &self.drains,
            health: &self.health,
            attached: &self.attached,
            journal: &self.journal,
            rules: &self.rules,
            usage: self.usage.as_ref(),
            tally: &self.tally,
            reloads: self.reloads,
        }
    }

    pub(super) fn text(&self, format: Format) -> String {
        let mut families = families(&self.sight(), &self.lifetime);
        families.extend(of_the_process());
        write(&families, format)
    }
}

pub(super) fn listed(service: &str, servers: &[(&str, u32)]) -> ListedService {
    let servers = servers.iter().map(|(server, weight)| ListedServer {
        server: server.parse().unwrap(),
        configuration: configuration(*weight),
        active: 2,
        inactive: 7,
        persistent: 1,
    });
    ListedService {
        service: service.parse().unwrap(),
        scheduler: "wrr".to_owned(),
        servers: servers.collect(),
    }
}

fn configuration(weight: u32) -> Configuration {
    Configuration {
        forwarding: Forwarding::DirectRoute,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

/// A planned drain that began 60 s ago and entered its state 20 s ago.
pub(super) fn drain(id: u64, service: &str, server: &str, state: State) -> Record {
    let record = json!({
        "id": id, "service": service, "server": server, "who": "ann", "why": "kernel update",
        "policy": Policy::default(), "before": configuration(5), "state": state, "transitions": [],
        "boot_id": "boot", "started_at": Moment::from_secs(940), "started_unix": 0,
        "capacity": {"servers_left": 9, "servers_total": 10, "weight_left": 45, "weight_total": 50},
    });
    let transition = Transition {
        at: Moment::from_secs(980),
        from: State::Pooled,
        to: state,
        why: String::new(),
        evidence: None,
    };
    Record {
        transitions: vec![transition],
        ..serde_json::from_value(record).unwrap()
    }
}

pub(super) fn flows(rung: Rung) -> Flows {
    Flows {
        udp: 3,
        tcp_open: 0,
        tcp_closing: 1,
        forwarded: 120,
        packets: 240,
        started: 0,
        last_packet: Some(Moment::from_secs(998)),
        watched_since: Moment::from_secs(940),
        rung,
        arrivals: Some(ARRIVALS),
    }
}

pub(super) const ARRIVALS: Arrivals = Arrivals {
    arrived: 121,
    elsewhere: 4,
    moved: 2,
    lost: 1,
};

pub(super) fn seen(flows: Option<Flows>, held: Option<Hold>) -> Observed {
    Observed {
        at: Some(Moment::from_secs(999)),
        flows,
        held,
        ..Observed::default()
    }
}

pub(super) fn failure() -> Failure {
    Failure {
        source: "check:https".to_owned(),
        cause: "no answer".to_owned(),
        since: Moment::from_secs(940),
        level: 3,
        recovered: false,
        quiesced: true,
    }
}

/// Those that are over, with each end there is.
pub(super) fn over() -> Vec<Record> {
    let server = |id: u64| format!("10.1.1.{id}:53");
    let counted = |id, arrivals| Record {
        outcome: Some(Outcome::Counted {
            forwarded: 9,
            arrivals,
        }),
        ..drain(id, DNS, &server(id), State::Removed)
    };
    let uncounted = Record {
        reason: Reason::Adopted,
        outcome: Some(Outcome::Uncounted {
            forwarded: None,
            why: String::new(),
        }),
        ..drain(22, DNS, &server(22), State::Removed)
    };
    let failed = Record {
        reason: Reason::Failure,
        failure: Some(failure()),
        ..drain(24, DNS, &server(24), State::Yielded)
    };
    vec![
        counted(20, Arrivals::default()),
        counted(21, ARRIVALS),
        uncounted,
        drain(23, DNS, &server(23), State::Restored),
        failed,
    ]
}

pub(super) fn health(service: &str, server: &str, verdict: Verdict, stance: Stance) -> ServerHealth {
    let says = match verdict {
        Verdict::Up => Says::Up,
        Verdict::Down { .. } => Says::Down,
        Verdict::Unknown(_) => Says::Unknown,
    };
    ServerHealth {
        service: service.parse().unwrap(),
        server: server.parse().unwrap(),
        health: Health {
            verdict,
            since: NOW,
            failures: 0,
            unanimous: false,
            belief: Belief::Believed,
            last_pass: None,
        },
        stance,
        words: vec![word("check:https", says)],
        at: NOW,
    }
}

pub(super) fn word(source: &str, says: Says) -> Word {
    Word {
        source: source.to_owned(),
        says,
        since: NOW,
        failures: 0,
        passes: 0,
        cause: String::new(),
        last: NOW,
        stale_at: NOW + Duration::from_mins(1),
    }
}
