//! The whole room beside a supervisor of the test's own: what is asked of it, and what is found.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::run::NOT_YET;
use super::*;
use crate::forwarding::{Configuration, Forwarding};
use crate::health::{Finding, Outcome};
use crate::identity::{RealServer, VirtualService};
use crate::moment::Moment;
use crate::supervise::{JournalCondition, ListedServer, ListedService, Listing};

const SERVICE: &str = "tcp:10.0.0.1:80";

fn config(checks: &str) -> Config {
    Config {
        settings: toml::from_str(checks).unwrap(),
        ..Config::default()
    }
}

fn listing(servers: &[SocketAddr]) -> Listing {
    let listed = |server: &SocketAddr| ListedServer {
        server: RealServer(*server),
        configuration: Configuration {
            forwarding: Forwarding::DirectRoute,
            weight: 0,
            upper_threshold: 0,
            lower_threshold: 0,
        },
        active: 0,
        inactive: 0,
        persistent: 0,
    };
    vec![ListedService {
        service: SERVICE.parse().unwrap(),
        scheduler: "rr".to_owned(),
        servers: servers.iter().map(listed).collect(),
    }]
}

/// A daemon's end of what the room asks.
struct Desk {
    asked: mpsc::Receiver<Command>,
}

fn desk() -> (Handle, Desk) {
    let (commands, asked) = mpsc::channel(1);
    let handle = Handle {
        commands,
        drains: watch::channel(Arc::default()).1,
        journal: watch::channel(JournalCondition::default()).1,
        beats: watch::channel(Moment::default()).1,
    };
    (handle, Desk { asked })
}

impl Desk {
    /// Answers with this table, for good.
    async fn answer(&mut self, servers: &[SocketAddr]) {
        while let Some(command) = self.asked.recv().await {
            let Command::List { reply } = command else {
                panic!("nothing else is asked");
            };
            drop(reply.send(Ok((listing(servers), Vec::new()))));
        }
        panic!("nobody asks any more");
    }
}

async fn next(findings: &mut mpsc::Receiver<Finding>, fits: impl Fn(&Finding) -> bool) -> Finding {
    loop {
        let finding = findings.recv().await.expect("more findings");
        if finding.outcome != Outcome::NoResult(NOT_YET.to_owned()) && fits(&finding) {
            return finding;
        }
    }
}

#[tokio::test]
async fn servers_are_tried_again_and_again_and_a_failure_brings_a_newer_witness() {
    let (good, bad) = (
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.2:0").await.unwrap(),
    );
    let (up, down) = (good.local_addr().unwrap(), bad.local_addr().unwrap());
    let checks = "[[check]]\nname = \"web\"\nmatch = { port = 80 }\ninterval_ms = 2000\nrise = 1\ntcp = {}";
    let (_config, following) = watch::channel(config(checks));
    let (handle, mut desk) = desk();
    let (found, mut findings) = mpsc::channel(1);
    let servers = [up, down];
    let talk = async {
        let is_of = |finding: &Finding, at: SocketAddr| finding.server == RealServer(at);
        let first = next(&mut findings, |finding| is_of(finding, down)).await;
        let service: VirtualService = SERVICE.parse().unwrap();
        assert_eq!((first.service, first.source.as_str()), (service, "check:web"));
        assert_eq!((first.outcome, first.rise, first.fall), (Outcome::Passed, 1, 1));
        assert_eq!(first.stale_after, Duration::from_secs(7));
        drop(bad);
        let failed = next(&mut findings, |finding| finding.outcome != Outcome::Passed).await;
        assert!(is_of(&failed, down));
        assert_eq!(failed.outcome, Outcome::Failed("connection refused".to_owned()));
        let witness = next(&mut findings, |finding| {
            is_of(finding, up) && finding.at > failed.at
        })
        .await;
        assert_eq!(witness.outcome, Outcome::Passed);
        let again = next(&mut findings, |finding| is_of(finding, down)).await;
        assert_eq!(again.outcome, failed.outcome);
    };
    tokio::select! {
        () = follow(following, handle, found) => panic!("the checks are not followed any more"),
        () = desk.answer(&servers) => {}
        () = talk => {}
    }
}

#[tokio::test]
async fn nothing_is_asked_until_something_is_to_be_checked_and_a_checker_that_cannot_work_blames_nobody() {
    let (configured, following) = watch::channel(Config::default());
    let (handle, mut desk) = desk();
    let (found, mut findings) = mpsc::channel(1);
    let servers = ["10.1.0.5:80".parse().unwrap()];
    let talk = async {
        // More than one look at the configuration.
        tokio::time::sleep(PERIOD * 3 / 2).await;
        assert!(desk.asked.is_empty());
        let checks = "[[check]]\nmatch = { port = 80 }\nexec = { run = [\"/no/such/program\"] }";
        configured.send_replace(config(checks));
        let finding = async {
            let finding = next(&mut findings, |_| true).await;
            assert_eq!(finding.source, "check:exec");
            assert!(
                matches!(finding.outcome, Outcome::NoResult(_)),
                "{:?}",
                finding.outcome
            );
        };
        tokio::select! {
            () = desk.answer(&servers) => {}
            () = finding => {}
        }
    };
    tokio::select! {
        () = follow(following, handle, found) => panic!("the checks are not followed any more"),
        () = talk => {}
    }
}

#[tokio::test]
async fn no_more_checks_are_under_way_at_once_than_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    // Fails if it finds another one at work.
    let script = format!("mkdir {place}/at-work && sleep 0.02 && rmdir {place}/at-work");
    let checks = format!(
        "daemon = {{ concurrent_checks = 1 }}\n[[check]]\nmatch = {{ port = 80 }}\ninterval_ms = 3000\n\
         timeout_ms = 3000\nexec = {{ run = [\"/bin/sh\", \"-c\", \"{script}\"] }}"
    );
    let (_config, following) = watch::channel(config(&checks));
    let (handle, mut desk) = desk();
    let (found, mut findings) = mpsc::channel(1);
    let servers: Vec<SocketAddr> = (1..=8)
        .map(|last| SocketAddr::from(([10, 1, 0, last], 80)))
        .collect();
    let talk = async {
        let mut heard = std::collections::BTreeSet::new();
        while heard.len() < servers.len() {
            let finding = next(&mut findings, |_| true).await;
            assert_eq!(finding.outcome, Outcome::Passed);
            heard.insert(finding.server);
        }
    };
    tokio::select! {
        () = follow(following, handle, found) => panic!("the checks are not followed any more"),
        () = desk.answer(&servers) => {}
        () = talk => {}
    }
}

/// Where packet sockets are not allowed, there are no hints.
#[tokio::test]
async fn a_reset_makes_a_server_s_check_due_at_once() {
    if let Err(error) = hint::open() {
        eprintln!("not tested without the right to open a packet socket: {error}");
        return;
    }
    let port = TcpListener::bind("127.0.0.79:0").await.unwrap();
    let server = port.local_addr().unwrap();
    drop(port);
    let checks = "daemon = { hints = true }\n[[check]]\nmatch = { port = 80 }\ninterval_ms = 3600000\nvia = \"own\"\ntcp = {}";
    let (_config, following) = watch::channel(config(checks));
    let (handle, mut desk) = desk();
    let (found, mut findings) = mpsc::channel(1);
    let servers = [server];
    let talk = async {
        // It is known who is to be checked.
        let first: Finding = findings.recv().await.expect("more findings");
        assert_eq!(first.outcome, Outcome::NoResult(NOT_YET.to_owned()));
        tokio::net::TcpStream::connect(server).await.unwrap_err();
        let failed = next(&mut findings, |_| true).await;
        assert_eq!(failed.outcome, Outcome::Failed("connection refused".to_owned()));
    };
    tokio::select! {
        () = follow(following, handle, found) => panic!("the checks are not followed any more"),
        () = desk.answer(&servers) => {}
        () = talk => {}
    }
}
