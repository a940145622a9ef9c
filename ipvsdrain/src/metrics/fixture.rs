//! A host on which everything happens at once: services of each kind, a drain in each state, health of each sort.

use std::time::Duration;

use serde_json::json;

use super::{Format, Lifetime, Sight, families, of_the_process, write};
use crate::config::Reloads;
use crate::drain::{
    Arrivals, Capacity, Failure, Flows, Hold, Leaks, Loan, Observed, Outcome, Overdue, Policy, Reason,
    Record, Rules, Rung, Shortfall, Stance, State, Transition,
};
use crate::forwarding::{Configuration, Forwarding};
use crate::health::{Belief, Health, Says, Verdict, Word};
use crate::moment::Moment;
use crate::supervise::{
    JournalCondition, ListedServer, ListedService, Listing, ProgramRuns, ServerHealth, Tally, Usage,
};

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

fn seen(flows: Option<Flows>, held: Option<Hold>) -> Observed {
    Observed {
        at: Some(Moment::from_secs(999)),
        flows,
        held,
        ..Observed::default()
    }
}

/// One in each state, none of them over.
fn drains() -> Vec<Record> {
    let dns = |last: u64, state| drain(last, DNS, &format!("10.1.0.{last}:53"), state);
    let floor = Hold::Floor(Shortfall {
        capacity: Capacity::default(),
        floor: Policy::default().floor,
    });
    let pooled = Record {
        observed: seen(None, Some(floor)),
        ..dns(1, State::Pooled)
    };
    let mut draining = Record {
        observed: Observed {
            leaks: Some(Leaks {
                flows: 2,
                cause: String::new(),
                remedy: String::new(),
            }),
            ..seen(Some(flows(Rung::Probes)), None)
        },
        overdue: Some(Overdue::Soft),
        ..dns(2, State::Draining)
    };
    draining.policy.soft_deadline_secs = Some(30);
    draining.policy.deadline_secs = Some(90);
    let quiet = Record {
        observed: seen(Some(flows(Rung::Arrivals)), None),
        ..dns(3, State::Quiet)
    };
    let drained = Record {
        observed: seen(Some(flows(Rung::Counters)), None),
        ..dns(4, State::Drained)
    };
    // The aftermath is not over.
    let removed = Record {
        removal: serde_json::from_value(json!({"asked_at": NOW, "entries": 0, "migrated": 0})).unwrap(),
        observed: seen(Some(flows(Rung::Probes)), None),
        ..dns(5, State::Removed)
    };
    let restoring = dns(6, State::Restoring);
    // These two still owe a sysctl.
    let mut restored = Record {
        outcome: Some(Outcome::Counted {
            forwarded: 77,
            arrivals: ARRIVALS,
        }),
        ..dns(7, State::Restored)
    };
    let mut yielded = Record {
        outcome: Some(Outcome::Uncounted {
            forwarded: Some(78),
            why: String::new(),
        }),
        ..dns(8, State::Yielded)
    };
    for record in [&mut restored, &mut yielded] {
        record.borrowed.expire_nodest = Some(Loan {
            before: false,
            seen_on: true,
        });
    }
    let unknown = Record {
        reason: Reason::Failure,
        failure: Some(failure()),
        observed: seen(None, Some(Hold::FlowsUnknown("no probe".to_owned()))),
        ..drain(9, WEB, "[2001:db8:1::5]:443", State::Draining)
    };
    vec![
        pooled, draining, quiet, drained, removed, restoring, restored, yielded, unknown,
    ]
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

fn usage() -> Usage {
    let program = |name: &str, number| ProgramRuns {
        name: name.to_owned(),
        number,
        lasted: Duration::from_nanos(300 * number),
    };
    Usage {
        flows: Some(12),
        capacity: 262_144,
        untracked: 3,
        programs: vec![program("arrivals_tc", 5000), program("conn_put_fentry", 4000)],
    }
}

/// The drains 10 s ago, when more flows were live.
fn before(drains: &[Record]) -> Vec<Record> {
    let mut drains = drains.to_vec();
    for observed in drains.iter_mut().map(|record| &mut record.observed) {
        observed.at = Some(Moment::from_secs(989));
        if let Some(flows) = &mut observed.flows {
            flows.udp += 4;
        }
    }
    drains
}

/// All of it.
pub(super) fn scene() -> Scene {
    let down = Verdict::Down {
        source: "check:https".to_owned(),
        cause: "no answer".to_owned(),
    };
    let silent = || Verdict::Unknown("no word".to_owned());
    let mut well = health(WEB, "[2001:db8:1::6]:443", Verdict::Up, Stance::Well);
    well.words.push(word("report:nagios", Says::Up));
    let mut scene = Scene {
        listing: Some(vec![
            listed(
                DNS,
                &[
                    ("10.1.0.1:53", 5),
                    ("10.1.0.2:53", 0),
                    ("10.1.0.3:53", 0),
                    ("10.1.0.4:53", 0),
                    ("10.1.0.6:53", 0),
                    ("10.1.0.7:53", 5),
                    ("10.1.0.8:53", 3),
                    ("10.1.0.99:53", 0),
                ],
            ),
            listed(WEB, &[("[2001:db8:1::5]:443", 0), ("[2001:db8:1::6]:443", 1)]),
            listed("fwmark:43690", &[("10.1.0.9:0", 1)]),
            // The same server, through a tunnel: to whoever reads labels they are one.
            listed("fwmark6:43690", &[("10.1.0.9:0", 9), ("[2001:db8:1::9]:0", 1)]),
        ]),
        drains: drains(),
        health: vec![
            health(WEB, "[2001:db8:1::5]:443", down, Stance::Quiesced),
            well,
            health(
                "fwmark:43690",
                "10.1.0.9:0",
                silent(),
                Stance::Unknown("no word".to_owned()),
            ),
        ],
        attached: vec!["ip_vs_conn_put".to_owned()],
        ..Scene::empty()
    };
    for drain in [1, 4] {
        scene.drains[drain].at_quiesce =
            serde_json::from_value(json!({"watched_since": Moment::from_secs(940), "started": 0})).unwrap();
    }
    scene.drains[1].observed.flows = Some(Flows {
        started: 2,
        ..flows(Rung::Probes)
    });
    scene.usage = Some(usage());
    scene.tally.refused.insert("floor", 2);
    for millis in [1, 4, 9000] {
        scene.tally.journal.committed(Duration::from_millis(millis));
    }
    scene.reloads.take(1_700_000_300);
    scene.reloads.refuse();
    scene.lifetime.see(&before(&scene.drains));
    scene.lifetime.see(&scene.drains);
    scene.drains.extend(over());
    scene.lifetime.see(&scene.drains);
    scene
}
