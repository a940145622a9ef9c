//! Hosts to look at, each in a state that a person may find one in, and a supervisor that shows them.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::Page;
use super::past::KEPT;
use crate::clock;
use crate::config::{Config, Reloads};
use crate::drain::{
    Arrivals, Failure, Flows, Hold, Leaks, Observed, Outcome, Overdue, Policy, Reason, Record, Rung, Stance,
    State, Transition,
};
use crate::health::{Belief, Health, Says, Verdict, Word};
use crate::moment::Moment;
use crate::supervise::journal::{FILE, Keeper};
use crate::supervise::{
    Command, Fault, Handle, JournalCondition, Listing, Overview, RequestError, ServerHealth, Tally,
};
use crate::web::Web;

pub(super) const DNS: &str = "udp:10.0.0.1:53";
pub(super) const WEB: &str = "tcp:[2001:db8::1]:443";
/// When the watch of all drains began: just before their weight was 0.
static WATCHED: LazyLock<Moment> = LazyLock::new(|| ago(179));
pub(super) const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// All that the page is made of.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) listing: Result<Listing, Fault>,
    pub(super) drains: Vec<Record>,
    pub(super) health: Vec<ServerHealth>,
    pub(super) attached: Vec<String>,
    pub(super) journal: JournalCondition,
    pub(super) shadow: bool,
    /// How its drains came there, the oldest first.
    pub(super) before: Vec<Record>,
}

/// A supervisor that shows a scene, and counts how often it is asked.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    scene: Arc<Mutex<Scene>>,
    drains: Arc<watch::Sender<Arc<Vec<Record>>>>,
    journal: Arc<watch::Sender<JournalCondition>>,
    pub(super) asked: Arc<AtomicU64>,
}

impl Stage {
    pub(super) fn show(&self, scene: Scene) {
        self.journal.send_replace(scene.journal.clone());
        self.drains.send_replace(Arc::new(scene.drains.clone()));
        *self.scene.lock().unwrap() = scene;
    }

    async fn answer(self, mut inbox: mpsc::Receiver<Command>) {
        while let Some(command) = inbox.recv().await {
            let Command::Overview { reply } = command else {
                panic!("the page asks for an overview and for nothing else: {command:?}");
            };
            self.asked.fetch_add(1, Ordering::Relaxed);
            let scene = self.scene.lock().unwrap().clone();
            let overview = Overview {
                listing: scene.listing,
                attached: scene.attached,
                health: scene.health,
                usage: None,
                tally: Tally::default(),
            };
            drop(reply.send(Ok::<_, RequestError>(overview)));
        }
    }
}

/// The real server, on a port of its own, in front of this scene.
pub(super) async fn on_stage(scene: Scene) -> (Stage, Web, SocketAddr) {
    on_stage_at(ANY_PORT, scene).await
}

pub(super) async fn on_stage_at(address: SocketAddr, scene: Scene) -> (Stage, Web, SocketAddr) {
    let (commands, inbox) = mpsc::channel(16);
    let stage = Stage {
        scene: Arc::new(Mutex::new(scene.clone())),
        drains: Arc::new(watch::channel(Arc::default()).0),
        journal: Arc::new(watch::channel(JournalCondition::default()).0),
        asked: Arc::default(),
    };
    let handle = Handle {
        commands,
        drains: stage.drains.subscribe(),
        journal: stage.journal.subscribe(),
        beats: watch::channel(clock::now()).1,
    };
    let mut config = Config::default();
    config.rules.shadow = scene.shadow;
    let mut web = Web::bind(
        address,
        handle,
        watch::channel(config).1,
        watch::channel(Reloads::since(0)).1,
    )
    .await
    .unwrap();
    web.shared.page = Arc::new(Page::of("lb1"));
    for record in &scene.before {
        web.shared.page.past().see(std::slice::from_ref(record));
    }
    stage.show(scene);
    tokio::spawn(stage.clone().answer(inbox));
    let address = web.listener.local_addr().unwrap();
    (stage, web, address)
}

pub(super) fn ago(seconds: u64) -> Moment {
    Moment::from_nanos(clock::now().as_nanos().saturating_sub(seconds * 1_000_000_000))
}

/// Nothing in the table, and nothing wrong.
pub(super) fn nothing() -> Scene {
    Scene {
        listing: Ok(Vec::new()),
        drains: Vec::new(),
        health: Vec::new(),
        attached: Vec::new(),
        journal: JournalCondition {
            fault: None,
            drains_known: true,
        },
        shadow: false,
        before: Vec::new(),
    }
}

fn listing(weights: &[(&str, u32)]) -> Listing {
    let server = |(name, weight): &(&str, u32), active: u32| {
        json!({"server": name, "forwarding": "direct_route", "weight": weight, "upper_threshold": 0,
               "lower_threshold": 0, "active": active, "inactive": 1200 + weight * 31, "persistent": 0})
    };
    let dns: Vec<_> = weights.iter().map(|one| server(one, 0)).collect();
    let web = [("[2001:db8:1::5]:443", 10), ("[2001:db8:1::6]:443", 10)];
    serde_json::from_value(json!([
        {"service": DNS, "scheduler": "wrr", "servers": dns},
        {"service": WEB, "scheduler": "wlc", "servers": [server(&web[0], 812), server(&web[1], 790)]},
    ]))
    .unwrap()
}

/// Two services, all of whose servers are in.
pub(super) fn pooled() -> Scene {
    Scene {
        listing: Ok(listing(&[
            ("10.1.0.5:53", 5),
            ("10.1.0.6:53", 5),
            ("10.1.0.7:53", 5),
        ])),
        ..nothing()
    }
}

/// The first server of DNS is at weight 0.
fn quiesced() -> Scene {
    Scene {
        listing: Ok(listing(&[
            ("10.1.0.5:53", 0),
            ("10.1.0.6:53", 5),
            ("10.1.0.7:53", 5),
        ])),
        attached: vec!["ip_vs_conn_put".to_owned(), "arrivals on eth0".to_owned()],
        ..nothing()
    }
}

/// The first server of DNS is out of the table.
fn without() -> Scene {
    Scene {
        listing: Ok(listing(&[("10.1.0.6:53", 5), ("10.1.0.7:53", 5)])),
        ..nothing()
    }
}

/// A planned drain that was asked for 180 s ago and is in this state for 178.
pub(super) fn drain(id: u64, server: &str, state: State) -> Record {
    let record = json!({
        "id": id, "service": DNS, "server": server, "who": "ann", "why": "kernel update", "ticket": "CHG-1207",
        "policy": Policy::default(), "state": state, "transitions": [], "boot_id": "boot",
        "before": {"forwarding": "direct_route", "weight": 5, "upper_threshold": 0, "lower_threshold": 0},
        "started_at": ago(180), "started_unix": clock::now_unix() - 180,
        "at_quiesce": {"watched_since": *WATCHED, "started": 0},
        "capacity": {"servers_left": 2, "servers_total": 3, "weight_left": 10, "weight_total": 15},
    });
    Record {
        transitions: vec![step(178, State::Pooled, State::Draining, "its weight is 0")],
        ..serde_json::from_value(record).unwrap()
    }
}

fn step(seconds_ago: u64, from: State, to: State, why: &str) -> Transition {
    Transition {
        at: ago(seconds_ago),
        from,
        to,
        why: why.to_owned(),
        evidence: None,
    }
}

fn flows(udp: u64, tcp_open: u64, tcp_closing: u64, forwarded: u64) -> Flows {
    Flows {
        udp,
        tcp_open,
        tcp_closing,
        forwarded,
        packets: forwarded,
        started: 0,
        last_packet: Some(ago(0)),
        watched_since: *WATCHED,
        rung: Rung::Probes,
        arrivals: Some(Arrivals {
            arrived: forwarded,
            ..Arrivals::default()
        }),
    }
}

pub(super) fn seen(flows: Option<Flows>, held: Option<Hold>, seconds_ago: u64) -> Observed {
    Observed {
        at: Some(ago(seconds_ago)),
        entries: flows.map_or(0, |flows| flows.udp * 3 + 40),
        flows,
        held,
        ..Observed::default()
    }
}

/// Each second of a drain: flows end, and packets become fewer with them.
fn falling(last: u64) -> Vec<Record> {
    let mut forwarded = 0;
    let mut records = Vec::new();
    for second in 0..=(178 - last) {
        let udp = 1800 / (10 + second) + 20_u64.saturating_sub(second / 6);
        let tcp_open = 36_u64.saturating_sub(second / 5);
        forwarded += udp * 4 + tcp_open + second * 7 % 23;
        let seen = seen(
            Some(flows(udp, tcp_open, (second / 3) % 4, forwarded)),
            None,
            178 - second,
        );
        records.push(Record {
            observed: seen,
            ..drain(7, "10.1.0.5:53", State::Draining)
        });
    }
    assert!(records.len() <= KEPT, "all of it shows");
    records
}

pub(super) fn draining() -> Scene {
    let before = falling(1);
    let mut newest = before.last().unwrap().clone();
    newest.policy.deadline_secs = Some(900);
    let mut past = removed(Some(0));
    past.id = 6;
    past.server = "10.1.0.4:53".parse().unwrap();
    Scene {
        drains: vec![past, newest],
        before,
        ..quiesced()
    }
}

pub(super) fn held() -> Scene {
    let cause = "no type information for ip_vs: CONFIG_DEBUG_INFO_BTF_MODULES is off".to_owned();
    let mut record = drain(7, "10.1.0.5:53", State::Draining);
    record.why = "<script>document.title='broken in'</script><img src=x onerror=alert(1)>".to_owned();
    record.observed = seen(None, Some(Hold::FlowsUnknown(cause)), 0);
    Scene {
        drains: vec![record],
        ..quiesced()
    }
}

pub(super) fn overdue() -> Scene {
    let before = falling(1);
    let mut record = before.last().unwrap().clone();
    record.policy.deadline_secs = Some(120);
    record.overdue = Some(Overdue::Hard);
    record.observed = seen(
        Some(Flows {
            started: 2,
            ..flows(3, 0, 0, 31_500)
        }),
        Some(Hold::DeadlinePassed("3 UDP flows".to_owned())),
        0,
    );
    record.observed.leaks = Some(Leaks {
        flows: 2,
        cause: "the service is persistent, and its clients keep their server also for new flows".to_owned(),
        remedy: "drain with --persistence set".to_owned(),
    });
    Scene {
        drains: vec![record],
        before,
        ..quiesced()
    }
}

pub(super) fn quiet(state: State) -> Scene {
    let mut record = drain(7, "10.1.0.5:53", state);
    record
        .transitions
        .push(step(6, State::Draining, State::Quiet, "no flow is live"));
    if state == State::Drained {
        let proven = "both witnesses were silent for 10 s";
        record
            .transitions
            .push(step(1, State::Quiet, State::Drained, proven));
    }
    let mut before = falling(8);
    let forwarded = before
        .last()
        .and_then(|record| record.observed.flows)
        .unwrap()
        .forwarded;
    record.observed = seen(Some(flows(0, 0, 0, forwarded)), None, 0);
    let last = |seconds_ago| Record {
        observed: seen(Some(flows(0, 0, 0, forwarded)), None, seconds_ago),
        ..record.clone()
    };
    before.extend((1..8).rev().map(last));
    Scene {
        drains: vec![record],
        before,
        ..quiesced()
    }
}

/// `None`: nobody counted.
pub(super) fn removed(lost: Option<u64>) -> Record {
    let mut record = drain(5, "10.1.0.5:53", State::Removed);
    let proven = "proven empty, taken out of the table";
    record
        .transitions
        .push(step(10, State::Drained, State::Removed, proven));
    record.outcome = Some(match lost {
        Some(lost) => Outcome::Counted {
            forwarded: 9000,
            arrivals: Arrivals {
                arrived: 9041 + lost,
                elsewhere: 41,
                moved: 41,
                lost,
            },
        },
        None => Outcome::Uncounted {
            forwarded: Some(9000),
            why: "arrivals are not witnessed: no interface brings them".to_owned(),
        },
    });
    record
}

pub(super) fn gone(lost: Option<u64>) -> Scene {
    Scene {
        drains: vec![removed(lost)],
        ..without()
    }
}

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
