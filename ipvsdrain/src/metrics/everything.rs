//! A host on which everything happens at once: services of each kind, a drain in each state, health of each sort.

use std::time::Duration;

use serde_json::json;

use super::fixture::{
    ARRIVALS, DNS, NOW, Scene, WEB, drain, failure, flows, health, listed, over, seen, word,
};
use crate::drain::{
    Capacity, Flows, Hold, Leaks, Loan, Observed, Outcome, Overdue, Policy, Reason, Record, Rung, Shortfall,
    Stance, State,
};
use crate::health::{Says, Verdict};
use crate::moment::Moment;
use crate::supervise::{ProgramRuns, Usage};

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
