//! The API over a real socket, with a host in memory behind it.

use super::client::{Client, ClientError};
use super::server::{Server, SocketError};
use super::{DrainRequest, Problem, ProblemKind, ServerName};
use crate::drain::{Policy, State};
use crate::supervise::Supervisor;
use crate::supervise::fake_kernel::FakeKernel;
use crate::supervise::journal::Journal;

const SERVER: &str = "10.1.0.5:53";

fn request(policy: Policy) -> DrainRequest {
    DrainRequest {
        service: "udp:10.0.0.1:53".parse().unwrap(),
        server: SERVER.parse().unwrap(),
        policy,
        who: "tester".to_owned(),
        why: "ticket 7".to_owned(),
    }
}

/// Runs `talk` against a served API.
async fn with_daemon<F: Future<Output = ()>>(talk: impl FnOnce(Client, std::path::PathBuf) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&folder.path().join("journal")).unwrap();
    let supervisor = Supervisor::resume(FakeKernel::new(), journal, "boot".to_owned(), || 0).unwrap();
    let (handle, inbox) = supervisor.handle();
    let socket = folder.path().join("run/ipvsdrain.sock");
    let server = Server::bind(&socket, handle).await.unwrap();
    tokio::select! {
        () = supervisor.run(inbox, std::future::pending()) => panic!("the supervisor ended"),
        ended = server.serve() => panic!("the server ended: {ended:?}"),
        () = talk(Client::new(&socket), socket.clone()) => {}
    }
}

fn problem(error: ClientError) -> Problem {
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
        assert_eq!(client.status().await.unwrap().drains[0].id, begun.id);

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
async fn a_second_daemon_is_told_about_the_first() {
    with_daemon(|_, socket| async move {
        let journal = Journal::open(&socket.with_file_name("journal2")).unwrap();
        let second = Supervisor::resume(FakeKernel::new(), journal, "boot".to_owned(), || 0).unwrap();
        let taken = Server::bind(&socket, second.handle().0).await.unwrap_err();
        assert!(matches!(taken, SocketError::Taken { .. }), "{taken}");
    })
    .await;
}
