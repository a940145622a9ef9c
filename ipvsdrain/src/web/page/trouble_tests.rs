//! Hosts in trouble: servers that fail, a journal or a table that cannot be read, flows that cannot be counted.

use std::fs;

use super::scene_tests::{DNS, Scene, WEB, ago, drain, flows, nothing, quiesced, quiet, removed, seen};
use crate::clock;
use crate::drain::{Failure, Flows, Reason, Record, Rung, Stance, State};
use crate::health::{Belief, Health, Says, Verdict, Word};
use crate::supervise::journal::{FILE, Keeper};
use crate::supervise::{Fault, JournalCondition, ServerHealth};

fn health(service: &str, server: &str, verdict: Verdict, stance: Stance) -> ServerHealth {
    let (says, cause) = match &verdict {
        Verdict::Up => (Says::Up, String::new()),
        Verdict::Down { cause, .. } => (Says::Down, cause.clone()),
        Verdict::Unknown(_) => (Says::Unknown, String::new()),
    };
    ServerHealth {
        service: service.parse().unwrap(),
        server: server.parse().unwrap(),
        health: Health {
            verdict,
            since: ago(95),
            failures: 12,
            unanimous: false,
            belief: Belief::Believed,
            last_pass: None,
        },
        stance,
        words: vec![Word {
            source: "check:dns".to_owned(),
            says,
            since: ago(95),
            failures: 12,
            passes: 0,
            cause,
            last: ago(1),
            stale_at: clock::now(),
        }],
        at: clock::now(),
    }
}

/// One server is drained for its failure, and one fails and is needed.
pub(super) fn failing() -> Scene {
    let down = |cause: &str| Verdict::Down {
        source: "check:dns".to_owned(),
        cause: cause.to_owned(),
    };
    let mut record = drain(7, "10.1.0.5:53", State::Draining);
    record.reason = Reason::Failure;
    record.who = "check:dns".to_owned();
    record.why = "no answer within 2 s".to_owned();
    record.ticket.clear();
    record.failure = Some(Failure {
        source: "check:dns".to_owned(),
        cause: "no answer within 2 s".to_owned(),
        since: ago(180),
        level: 1,
        recovered: false,
        quiesced: true,
    });
    record.observed = seen(Some(flows(12, 0, 0, 800)), None, 0);
    let needed = Stance::Needed(
        "without it 1 of 3 servers and 33 % of the weight would be left; the floor is 1 servers and 50 %"
            .to_owned(),
    );
    Scene {
        drains: vec![record],
        health: vec![
            health(DNS, "10.1.0.5:53", down("no answer within 2 s"), Stance::Quiesced),
            health(DNS, "10.1.0.6:53", down("refused"), needed),
            health(DNS, "10.1.0.7:53", Verdict::Up, Stance::Well),
            health(
                WEB,
                "[2001:db8:1::5]:443",
                down("certificate has expired"),
                Stance::AllFail,
            ),
            health(
                WEB,
                "[2001:db8:1::6]:443",
                down("certificate has expired"),
                Stance::AllFail,
            ),
        ],
        ..quiesced()
    }
}

/// A journal that was never read: its drains are not known.
pub(super) fn journal_fault() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), "garbage").unwrap();
    let fault = Keeper::at(folder.path()).unwrap().check().unwrap_err();
    Scene {
        journal: JournalCondition {
            fault: Some(fault),
            drains_known: false,
        },
        ..quiesced()
    }
}

pub(super) fn table_unreadable() -> Scene {
    let fault =
        Fault("the IPVS table cannot be listed: netlink: EPERM; the daemon needs CAP_NET_ADMIN".to_owned());
    Scene {
        listing: Err(fault),
        drains: quiet(State::Quiet).drains,
        ..nothing()
    }
}

/// By the counters alone, in shadow mode: little is known, and none of it is 0.
pub(super) fn uncountable() -> Scene {
    let mut record = drain(7, "10.1.0.5:53", State::Draining);
    record.shadow = true;
    record.observed = seen(
        Some(Flows {
            rung: Rung::Counters,
            arrivals: None,
            ..flows(0, 0, 0, 0)
        }),
        None,
        30,
    );
    record.observed.lacking.better_rung = Some("no kprobes".to_owned());
    let past = Record {
        server: "10.1.0.4:53".parse().unwrap(),
        ..removed(None)
    };
    Scene {
        drains: vec![record, past],
        shadow: true,
        ..quiesced()
    }
}
