//! HTTP over a real socket, with a host in memory behind it.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::{Guard, Limits, Web, WebError};
use crate::clock;
use crate::config::{Config, Reloads};
use crate::moment::Moment;
use crate::supervise::fake_kernel::FakeKernel;
use crate::supervise::journal::{FILE, Keeper};
use crate::supervise::{Command, Handle, Order, Supervisor};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A host whose clock is ahead of the real one: its loop never seems to hang, however slow the machine is.
pub(super) fn lively() -> FakeKernel {
    let kernel = FakeKernel::new();
    kernel.0.borrow_mut().now = clock::now() + Duration::from_hours(1);
    kernel
}

async fn with_web<F: Future<Output = ()>>(
    kernel: FakeKernel,
    journal: &str,
    talk: impl FnOnce(SocketAddr, Handle) -> F,
) {
    let (_guard, open) = watch::channel(Guard::default());
    with_guarded_web(kernel, journal, open, Limits::USUAL, talk).await;
}

pub(super) async fn with_guarded_web<F: Future<Output = ()>>(
    kernel: FakeKernel,
    journal: &str,
    guard: watch::Receiver<Guard>,
    limits: Limits,
    talk: impl FnOnce(SocketAddr, Handle) -> F,
) {
    let folder = tempfile::tempdir().unwrap();
    if !journal.is_empty() {
        fs::write(folder.path().join(FILE), journal).unwrap();
    }
    let keeper = Keeper::at(folder.path()).unwrap();
    let supervisor = Supervisor::resume(kernel, keeper, "boot".to_owned(), || 0);
    let (handle, inbox) = supervisor.handle();
    let (_config, configured) = watch::channel(Config::default());
    let (_reloads, reloads) = watch::channel(Reloads::since(0));
    let web = Web::bind(ANY_PORT, handle.clone(), configured, reloads)
        .await
        .unwrap();
    let web = Web { limits, ..web }.guarded(guard);
    let address = web.listener.local_addr().unwrap();
    // Boxed for its size.
    let running = Box::pin(supervisor.run(inbox, std::future::pending()));
    tokio::select! {
        () = running => panic!("the supervisor ended"),
        ended = web.serve() => panic!("the server ended: {ended:?}"),
        () = talk(address, handle) => {}
    }
}

/// The head and the body of the answer.
async fn ask(address: SocketAddr, request: &str, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn a_scrape_is_written_as_it_is_asked_for() {
    with_web(lively(), "", |address, _| async move {
        let (head, body) = ask(address, "GET /metrics", "*/*").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(
            head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
            "{head}"
        );
        assert!(
            body.contains("\nipvsdrain_server_weight{local_address=\"10.0.0.1\","),
            "{body}"
        );
        assert!(!body.contains("# EOF"));
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";
        let (head, body) = ask(address, "GET /metrics", prometheus).await;
        assert!(
            head.contains("content-type: application/openmetrics-text; version=1.0.0"),
            "{head}"
        );
        assert!(body.ends_with("# EOF\n"), "{body}");
    })
    .await;
}

#[tokio::test]
async fn a_drain_shows_while_it_is_under_way() {
    with_web(lively(), "", |address, handle| async move {
        let order = Order::of("udp:10.0.0.1:53".parse().unwrap(), "10.1.0.5:53".parse().unwrap());
        let before = ask(address, "GET /metrics", "*/*").await.1;
        assert!(before.contains("\nipvsdrain_drains_in_progress 0\n"), "{before}");
        handle.ask(|reply| Command::Begin { order, reply }).await.unwrap();
        let after = ask(address, "GET /metrics", "*/*").await.1;
        assert!(after.contains("\nipvsdrain_drains_in_progress 1\n"), "{after}");
    })
    .await;
}

#[tokio::test]
async fn it_can_be_looked_at_and_nothing_else() {
    with_web(lively(), "", |address, _| async move {
        for (request, status) in [
            ("GET /healthz", "200"),
            ("GET /", "200"),
            ("GET /v1/status", "404"),
            ("POST /metrics", "405"),
            ("POST /healthz", "405"),
            ("DELETE /metrics", "405"),
        ] {
            let (head, _) = ask(address, request, "*/*").await;
            assert!(
                head.starts_with(&format!("http/1.1 {status}")),
                "{request}: {head}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_journal_it_is_not_healthy_and_still_shows_the_table() {
    with_web(lively(), "garbage", |address, _| async move {
        let (head, body) = ask(address, "GET /healthz", "*/*").await;
        assert!(head.starts_with("http/1.1 503"), "{head}");
        assert!(
            body.starts_with("the journal does not work: ") && body.contains("not a database"),
            "{body}"
        );
        let (head, body) = ask(address, "GET /metrics", "*/*").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(body.contains("\nipvsdrain_journal_up 0\n"), "{body}");
        assert!(body.contains("\nipvsdrain_server_weight{"), "{body}");
        assert!(!body.contains("\nipvsdrain_drains_in_progress"), "{body}");
    })
    .await;
}

#[tokio::test]
async fn a_loop_that_hangs_is_not_healthy() {
    let kernel = FakeKernel::new();
    kernel.0.borrow_mut().now = Moment::from_secs(0);
    with_web(kernel, "", |address, _| async move {
        let (head, body) = ask(address, "GET /healthz", "*/*").await;
        assert!(
            head.starts_with("http/1.1 503") && body.starts_with("the loop has not turned for "),
            "{body}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    with_web(lively(), "", |address, handle| async move {
        let (_config, configured) = watch::channel(Config::default());
        let (_reloads, reloads) = watch::channel(Reloads::since(0));
        let taken = Web::bind(address, handle, configured, reloads).await.unwrap_err();
        assert!(
            matches!(taken, WebError::Listen(at, _) if at == address),
            "{taken}"
        );
    })
    .await;
}
