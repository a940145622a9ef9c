//! The history over a real socket, with a host in memory and the real journal behind it.

use super::drain_view_tests::request as drain;
use super::tests::{problem, request, serve, with_daemon_on};
use super::{HistoryAsked, ProblemKind, ServerName};
use crate::drain::{Policy, Reason, Record, State, Transition};
use crate::moment::Moment;
use crate::supervise::fake_kernel::FakeKernel;
use crate::supervise::journal::{self, Journal, Keeper};
use crate::supervise::{REBOOTED, Supervisor};

const ALL: HistoryAsked = HistoryAsked {
    service: None,
    server: None,
    from: None,
    limit: 20,
};

#[tokio::test]
async fn drains_are_told_newest_first_over_or_not() {
    let kernel = FakeKernel::new();
    let host = kernel.clone();
    with_daemon_on(kernel, |client, _| async move {
        assert!(client.history(&ALL).await.unwrap().drains.is_empty());
        let first = client.drain(&request(Policy::default())).await.unwrap();
        let name = ServerName {
            service: first.service,
            server: first.server,
        };
        host.pass_a_second();
        client.restore(&name).await.unwrap();
        client.drain(&request(Policy::default())).await.unwrap();

        let told = client.history(&ALL).await.unwrap().drains;
        let of: Vec<_> = told.iter().map(|past| (past.id, past.state, past.over)).collect();
        assert_eq!(of, [(2, State::Draining, false), (1, State::Restored, true)]);
        assert_eq!((told[0].seconds_to_end, told[0].verdict.as_deref()), (None, None));
        let past = &told[1];
        assert_eq!(
            (past.began.as_str(), past.began_unix, past.reason),
            ("1970-01-01T00:00:00Z", 0, Reason::Planned)
        );
        assert_eq!((past.who.as_str(), past.why.as_str()), ("tester", "ticket 7"));
        assert_eq!(past.verdict.as_deref(), Some("restored: its weight is 5 again"));
        assert!(past.seconds_to_end.is_some_and(|secs| secs >= 1.0), "{past:?}");

        let one = HistoryAsked { limit: 1, ..ALL };
        assert_eq!(client.history(&one).await.unwrap().drains[0].id, 2);
        for (limit, said) in [(0, "a limit of 0 drains"), (1_001, "1 to 1000")] {
            let refused = problem(client.history(&HistoryAsked { limit, ..ALL }).await.unwrap_err());
            assert_eq!(refused.kind, ProblemKind::Malformed);
            assert!(refused.error.contains(said), "{refused}");
        }
    })
    .await;
}

/// A drain that was removed without a loss.
async fn removed() -> Record {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&folder.path().join("journal")).unwrap();
    let kernel = FakeKernel::new();
    let mut supervisor = Supervisor::resume(kernel.clone(), journal, "boot".to_owned(), || 0);
    let mut record = supervisor.begin(&drain()).await.unwrap();
    while !record.is_over() {
        kernel.pass_a_second();
        supervisor.step_all().await;
        record = supervisor.handle().0.drains.borrow()[0].clone();
    }
    record
}

/// The same of another server, begun at this second.
fn past(like: &Record, server: &str, unix: u64) -> Record {
    Record {
        id: 0,
        server: server.parse().unwrap(),
        started_unix: unix,
        ..like.clone()
    }
}

#[tokio::test]
async fn names_and_times_select_also_where_they_need_escapes() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = FakeKernel::new();
    let like = removed().await;
    let mut journal = Journal::open(&folder.path().join(journal::FILE)).unwrap();
    let six = Record {
        service: "tcp:[2001:db8::1]:443".parse().unwrap(),
        ..past(&like, "[2001:db8::5]:443", 1_790_000_000)
    };
    let rebooted = Transition {
        at: Moment::from_secs(1),
        from: State::Draining,
        to: State::Yielded,
        why: REBOOTED.to_owned(),
        evidence: None,
    };
    let cut_short = Record {
        state: State::Yielded,
        transitions: vec![rebooted],
        ..past(&like, "10.1.0.6:53", 1_790_000_060)
    };
    for record in [&six, &cut_short] {
        journal.save(record).unwrap();
    }
    drop(journal);
    let keeper = Keeper::at(folder.path()).unwrap();
    serve(kernel, keeper, folder.path(), |client, _| async move {
        let ids = async |asked: HistoryAsked| -> Vec<u64> {
            let told = client.history(&asked).await.unwrap().drains;
            told.iter().map(|past| past.id).collect()
        };
        assert_eq!(ids(ALL).await, [2, 1]);
        let service = Some(six.service);
        assert_eq!(ids(HistoryAsked { service, ..ALL }).await, [1]);
        let server = Some(six.server);
        assert_eq!(ids(HistoryAsked { server, ..ALL }).await, [1]);
        let from = Some(1_790_000_060);
        assert_eq!(ids(HistoryAsked { from, ..ALL }).await, [2]);
        assert!(ids(HistoryAsked { service, from, ..ALL }).await.is_empty());

        let told = client.history(&ALL).await.unwrap().drains;
        assert_eq!(told[1].began, "2026-09-21T14:13:20Z");
        assert_eq!((told[1].lost, told[1].rescheduled), (Some(0), Some(0)));
        assert!(told[1].seconds_to_end.is_some_and(|secs| secs > 20.0), "{told:?}");
        assert_eq!(
            told[0].seconds_to_end, None,
            "nobody knows when the machine went down"
        );
    })
    .await;
}

#[tokio::test]
async fn a_broken_journal_is_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(journal::FILE), "garbage").unwrap();
    let keeper = Keeper::at(folder.path()).unwrap();
    serve(FakeKernel::new(), keeper, folder.path(), |client, _| async move {
        let answer = problem(client.history(&ALL).await.unwrap_err());
        assert_eq!(answer.kind, ProblemKind::Failed);
        assert!(
            answer.error.starts_with("past drains are not known: journal "),
            "{answer}"
        );
        assert!(answer.error.contains("not a database"), "{answer}");
    })
    .await;
}
