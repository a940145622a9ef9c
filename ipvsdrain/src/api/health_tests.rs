//! A report over the socket: what it changes, and what is then shown of it.

use super::tests::{problem, request, with_daemon_on};
use super::{HealthView, ProblemKind, ReportRequest, ReportStatus, Says, ServerName};
use crate::clock;
use crate::drain::{Changes, Policy, Reason, Stance};
use crate::supervise::fake_kernel::FakeKernel;

fn report(status: ReportStatus) -> ReportRequest {
    let name = name();
    ReportRequest {
        service: name.service,
        server: name.server,
        source: "icinga".to_owned(),
        status,
        ttl_secs: Some(30),
        cause: "no answer".to_owned(),
    }
}

fn name() -> ServerName {
    let asked = request(Policy::default());
    ServerName {
        service: asked.service,
        server: asked.server,
    }
}

/// A host in the present: reports are heard by the clock of this machine.
fn kernel() -> FakeKernel {
    let kernel = FakeKernel::new();
    kernel.0.borrow_mut().now = clock::now();
    kernel
}

#[tokio::test]
async fn a_server_that_is_reported_to_fail_is_drained_and_shown_with_all_that_is_known() {
    let host = kernel();
    with_daemon_on(host.clone(), |client, _| async move {
        let down = client.report(&report(ReportStatus::Down)).await.unwrap().unwrap();
        assert_eq!((down.verdict, down.word()), (Says::Down, "down"));
        assert_eq!(
            (down.source.as_deref(), down.because.as_deref()),
            (Some("report:icinga"), Some("no answer"))
        );
        assert_eq!(
            (&down.stance, down.alarm, down.hold_down_secs),
            (&Stance::Quiesced, false, Some(10))
        );
        let said = &down.sources[0];
        assert_eq!((said.says, said.failures, said.passes), (Says::Down, 1, 0));
        assert!(said.stale_in_seconds > 25.0, "{said:?}");

        let drain = client.newer(&name(), None).await.unwrap();
        // What its flows do is of no matter here.
        assert_eq!((drain.reason, drain.state.is_final()), (Reason::Failure, false));
        let failure = drain.failure.expect("what failed");
        assert_eq!(
            (failure.level, failure.hold_down_secs, failure.recovered),
            (1, 10, false)
        );
        let status = client.status().await.unwrap();
        assert_eq!(status.health, client.health().await.unwrap().servers);

        let up = client.report(&report(ReportStatus::Up)).await.unwrap().unwrap();
        assert_eq!(
            (up.verdict, up.word(), up.because.as_ref()),
            (Says::Up, "up, held down", None)
        );
        assert_eq!(
            up.doing,
            "it is drained for its failure, and put back once it was up for 10 s"
        );
        let gone = client.report(&report(ReportStatus::Withdraw)).await.unwrap();
        assert_eq!(gone, None, "nobody else speaks of it");
        assert!(client.health().await.unwrap().servers.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_word_that_fell_silent_is_unknown_and_says_for_how_long() {
    let host = kernel();
    with_daemon_on(host.clone(), |client, _| async move {
        client.report(&report(ReportStatus::Up)).await.unwrap();
        let now = host.0.borrow().now;
        host.0.borrow_mut().now = now + std::time::Duration::from_secs(90);
        let known: Vec<HealthView> = client.health().await.unwrap().servers;
        assert_eq!(known[0].word(), "unknown");
        assert_eq!(known[0].because.as_deref(), Some("no word from report:icinga"));
        assert!(known[0].sources[0].stale_in_seconds < -55.0, "{known:?}");
    })
    .await;
}

#[tokio::test]
async fn maintenance_that_takes_over_a_failure_says_what_had_failed() {
    with_daemon_on(kernel(), |client, _| async move {
        client.report(&report(ReportStatus::Down)).await.unwrap();
        let mut asked = request(Policy::default());
        asked.policy = Changes::default();
        let drain = client.drain(&asked).await.unwrap();
        assert_eq!(
            (drain.reason, drain.failure.map(|failure| failure.source)),
            (Reason::Planned, Some("report:icinga".to_owned()))
        );
        let known = &client.health().await.unwrap().servers[0];
        assert_eq!(
            (&known.stance, known.word(), known.hold_down_secs),
            (&Stance::Maintenance, "down", None)
        );
    })
    .await;
}

#[tokio::test]
async fn a_report_of_a_server_that_is_not_there_is_an_error() {
    let host = kernel();
    host.0.borrow_mut().server = None;
    with_daemon_on(host, |client, _| async move {
        let said = problem(client.report(&report(ReportStatus::Down)).await.unwrap_err());
        assert_eq!(said.kind, ProblemKind::NotFound);
        assert!(client.health().await.unwrap().servers.is_empty());
    })
    .await;
}
