//! The API over a real socket, with a host in memory behind it.

use super::access::Access;
use super::client::{Client, ClientError};
use super::server::{Server, SocketError};
use super::{
    DrainRequest, FlowsAsked, JournalView, Problem, ProblemKind, RefusalKind, ServerName, Standing, Would,
};
use std::path::Path;
use std::time::Duration;

use ipvsdrain_ebpf::accounting::Class;

use crate::drain::{Changes, Floor, Policy, State};
use crate::forwarding::Configuration;
use crate::moment::Moment;
use crate::supervise::fake_kernel::FakeKernel;
use crate::supervise::journal::{self, Journal, Keeper};
use crate::supervise::{FlowDetail, Supervisor};

const SERVER: &str = "10.1.0.5:53";

pub(super) fn request(policy: Policy) -> DrainRequest {
    DrainRequest {
        service: "udp:10.0.0.1:53".parse().unwrap(),
        server: SERVER.parse().unwrap(),
        policy: Changes::to(&policy).unwrap(),
        who: "tester".to_owned(),
        why: "ticket 7".to_owned(),
        ticket: String::new(),
        force: false,
    }
}

/// Runs `talk` against a served API.
pub(super) async fn with_daemon<F: Future<Output = ()>>(talk: impl FnOnce(Client, std::path::PathBuf) -> F) {
    with_daemon_on(FakeKernel::new(), talk).await;
}

pub(super) async fn with_daemon_on<F: Future<Output = ()>>(
    kernel: FakeKernel,
    talk: impl FnOnce(Client, std::path::PathBuf) -> F,
) {
    let folder = tempfile::tempdir().unwrap();
    let journal = Keeper::at(folder.path()).unwrap();
    serve(kernel, journal, folder.path(), talk).await;
}

pub(super) async fn serve<F: Future<Output = ()>>(
    kernel: FakeKernel,
    journal: Keeper,
    folder: &Path,
    talk: impl FnOnce(Client, std::path::PathBuf) -> F,
) {
    let supervisor = Supervisor::resume(kernel, journal, "boot".to_owned(), || 0);
    let (handle, inbox) = supervisor.handle();
    let socket = folder.join("run/ipvsdrain.sock");
    let server = Server::bind(&Access::at(&socket), handle).await.unwrap();
    // Boxed for its size.
    let running = Box::pin(supervisor.run(inbox, std::future::pending()));
    tokio::select! {
        () = running => panic!("the supervisor ended"),
        ended = server.serve() => panic!("the server ended: {ended:?}"),
        () = talk(Client::new(&socket), socket.clone()) => {}
    }
}

pub(super) fn problem(error: ClientError) -> Problem {
    match error {
        ClientError::Problem(problem) => problem,
        other => panic!("not an answer of the daemon: {other}"),
    }
}

#[tokio::test]
async fn a_drain_is_begun_shown_and_turned_around() {
    with_daemon(|client, _| async move {
        let begun = client.drain(&request(Policy::default())).await.unwrap();
        assert_eq!(
            (begun.state, begun.before.weight, begun.why.as_str()),
            (State::Draining, 5, "ticket 7")
        );
        let status = client.status().await.unwrap();
        assert_eq!(status.drains[0].id, begun.id);
        assert!(status.journal.ok && status.journal.at_weight_zero.is_empty());

        let again = problem(client.drain(&request(Policy::default())).await.unwrap_err());
        assert_eq!(again.kind, ProblemKind::Refused);
        assert!(again.error.contains("already draining"), "{again}");

        let name = ServerName {
            service: begun.service,
            server: begun.server,
        };
        let restored = client.restore(&name).await.unwrap();
        assert_eq!(restored.state, State::Restored);
        assert_eq!(
            client.newer(&name, Some(restored.revision)).await.unwrap(),
            restored
        );
        assert_eq!(
            problem(client.restore(&name).await.unwrap_err()).kind,
            ProblemKind::NotFound
        );
    })
    .await;
}

#[tokio::test]
async fn a_plan_is_judged_like_a_drain_and_changes_nothing() {
    let kernel = FakeKernel::new();
    let host = kernel.clone();
    with_daemon_on(kernel, |client, _| async move {
        let plan = client.plan(&request(Policy::default())).await.unwrap();
        assert_eq!((plan.would, plan.weight, &plan.refusal), (Would::Begin, 5, &None));
        let capacity = plan.capacity;
        assert_eq!((capacity.servers_before, capacity.servers_after), (3, 2));
        assert_eq!(
            (
                capacity.weight_before,
                capacity.weight_after,
                capacity.weight_total
            ),
            (15, 10, 15)
        );
        assert_eq!(plan.hazards.len(), 1, "no deadline: {:?}", plan.hazards);

        let strict = Policy {
            floor: Floor {
                servers: 3,
                weight_percent: 0,
            },
            ..Policy::default()
        };
        let low = client.plan(&request(strict)).await.unwrap();
        let refusal = low.refusal.expect("below the floor");
        assert_eq!((low.would, refusal.kind), (Would::Refused, RefusalKind::Floor));
        let begun = problem(client.drain(&request(strict)).await.unwrap_err());
        assert_eq!(
            begun.error, refusal.text,
            "the drain itself is refused in the same words"
        );
        let forced = DrainRequest {
            force: true,
            ..request(strict)
        };
        assert_eq!(client.plan(&forced).await.unwrap().would, Would::Begin);

        assert!(host.0.borrow().changes.is_empty());
        assert!(client.status().await.unwrap().drains.is_empty());
        client.drain(&request(Policy::default())).await.unwrap();
        let again = client.plan(&request(Policy::default())).await.unwrap();
        assert_eq!(
            again.refusal.map(|refusal| refusal.kind),
            Some(RefusalKind::Draining)
        );
    })
    .await;
}

#[tokio::test]
async fn there_is_no_plan_for_what_cannot_be_asked() {
    with_daemon(|client, _| async move {
        let too_long = Policy {
            udp_quiet_secs: 999,
            ..Policy::default()
        };
        let no_reason = DrainRequest {
            force: true,
            why: String::new(),
            ..request(Policy::default())
        };
        for asked in [request(too_long), no_reason] {
            let plan = problem(client.plan(&asked).await.unwrap_err());
            assert_eq!(plan.kind, ProblemKind::Malformed);
            assert_eq!(plan, problem(client.drain(&asked).await.unwrap_err()));
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_done_says_so_and_changes_nothing() {
    with_daemon(|client, socket| async move {
        let too_long = Policy {
            udp_quiet_secs: 999,
            ..Policy::default()
        };
        let answer = problem(client.drain(&request(too_long)).await.unwrap_err());
        assert_eq!(answer.kind, ProblemKind::Malformed);
        assert!(answer.error.contains("udp_quiet of 999 s"), "{answer}");

        let name = ServerName {
            service: "tcp:[2001:db8::1]:443".parse().unwrap(),
            server: SERVER.parse().unwrap(),
        };
        assert_eq!(
            problem(client.newer(&name, None).await.unwrap_err()).kind,
            ProblemKind::NotFound
        );
        assert!(client.status().await.unwrap().drains.is_empty());

        let nobody = Client::new(&socket.with_file_name("other.sock"))
            .status()
            .await
            .unwrap_err();
        assert!(
            nobody.to_string().contains("other.sock: no daemon answers"),
            "{nobody}"
        );
    })
    .await;
}

#[tokio::test]
async fn without_a_journal_it_shows_everything_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(journal::FILE), "garbage").unwrap();
    let journal = Keeper::at(folder.path()).unwrap();
    let kernel = FakeKernel::new();
    let quiesced = kernel
        .0
        .borrow()
        .server
        .map(|server| Configuration { weight: 0, ..server });
    kernel.0.borrow_mut().server = quiesced;
    serve(kernel, journal, folder.path(), |client, _| async move {
        let status = client.status().await.unwrap();
        let name = ServerName {
            service: request(Policy::default()).service,
            server: request(Policy::default()).server,
        };
        let fault = status.journal.fault.clone().expect("why it does not work");
        assert!(fault.contains("not a database"), "{fault}");
        let expected = JournalView {
            ok: false,
            fault: Some(fault.clone()),
            drains_known: false,
            at_weight_zero: vec![name],
        };
        assert_eq!(status.journal, expected);
        assert_eq!(status.services.len(), 1, "the table is still shown");
        for refused in [
            client.drain(&request(Policy::default())).await,
            client.restore(&name).await,
            client.newer(&name, None).await,
        ] {
            let answer = problem(refused.unwrap_err());
            assert_eq!(answer.kind, ProblemKind::Failed);
            assert!(answer.error.contains(&fault), "{answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_second_daemon_is_told_about_the_first() {
    with_daemon(|_, socket| async move {
        let journal = Journal::open(&socket.with_file_name("journal2")).unwrap();
        let second = Supervisor::resume(FakeKernel::new(), journal, "boot".to_owned(), || 0);
        let taken = Server::bind(&Access::at(&socket), second.handle().0)
            .await
            .unwrap_err();
        assert!(matches!(taken, SocketError::Taken { .. }), "{taken}");
    })
    .await;
}

/// A UDP flow from this port, first and last seen so long after the fake host's present.
fn flow(port: u16, first: Duration, last: Duration, began_earlier: bool) -> FlowDetail {
    let now = Moment::from_secs(1000);
    FlowDetail {
        client: ([10, 9, 0, 2], port).into(),
        virtual_addr: "10.0.0.1:53".parse().unwrap(),
        protocol: 17,
        class: Class::Udp,
        tcp_state: None,
        first_seen: now + first,
        last_seen: now + last,
        requests: 7,
        replies: 3,
        began_earlier,
    }
}

#[tokio::test]
async fn flows_are_pinned_leaked_or_over() {
    let secs = Duration::from_secs;
    let kernel = FakeKernel::new();
    let host = kernel.clone();
    let established = FlowDetail {
        protocol: 6,
        class: Class::TcpOpen,
        tcp_state: Some("ESTABLISHED"),
        ..flow(4, secs(1), secs(1), true)
    };
    host.0.borrow_mut().details = vec![
        flow(1, secs(2), secs(600), true),
        flow(2, secs(300), secs(599), false),
        flow(3, secs(1), secs(1), true),
        established,
    ];
    with_daemon_on(kernel, |client, _| async move {
        let mut asked = FlowsAsked {
            service: "udp:10.0.0.1:53".parse().unwrap(),
            server: SERVER.parse().unwrap(),
            limit: 10,
        };
        let unwatched = problem(client.flows(&asked).await.unwrap_err());
        assert_eq!(unwatched.kind, ProblemKind::NotFound);
        assert!(unwatched.error.contains("not observed"), "{unwatched}");

        // The host's traffic goes on, so the drain is still under way ten minutes later.
        host.0.borrow_mut().flows_until = Moment::from_secs(9000);
        client.drain(&request(Policy::default())).await.unwrap();
        host.0.borrow_mut().now = Moment::from_secs(1600);
        let view = client.flows(&asked).await.unwrap();
        let standings: Vec<_> = view.flows.iter().map(|flow| flow.standing).collect();
        let expected = [
            Standing::Pinned,
            Standing::Leaked,
            Standing::Over,
            Standing::Pinned,
        ];
        assert_eq!(standings, expected.map(Some));
        let first = &view.flows[0];
        assert_eq!(
            (first.client.to_string().as_str(), first.protocol.as_str()),
            ("10.9.0.2:1", "udp")
        );
        assert_eq!((first.requests, first.replies, first.live), (7, 3, true));
        assert!((first.age_seconds - 598.0).abs() < 1e-6 && first.idle_seconds < 1e-6 && first.older);
        assert_eq!(view.flows[3].tcp_state.as_deref(), Some("ESTABLISHED"));

        asked.limit = 2;
        let cut = client.flows(&asked).await.unwrap();
        assert_eq!((cut.flows.len(), cut.found), (2, 4));
        for limit in [0, 10_001] {
            asked.limit = limit;
            let answer = problem(client.flows(&asked).await.unwrap_err());
            assert_eq!(answer.kind, ProblemKind::Malformed);
            assert!(answer.error.contains("1 to 10000"), "{answer}");
        }
    })
    .await;
}
