//! The listener: a bounded number of connections, each with bounded patience. What is asked is the router's.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::guard::Guard;

/// How patient it is, and with how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// More of them wait in the kernel's queue.
    pub(super) connections: usize,
    pub(super) handshake: Duration,
    /// For the next request to come in whole; so long a connection may idle, too.
    pub(super) head: Duration,
    /// For what was sent to be taken.
    pub(super) taken: Duration,
}

impl Limits {
    pub(super) const USUAL: Limits = Limits {
        connections: 64,
        handshake: Duration::from_secs(10),
        head: Duration::from_secs(30),
        taken: Duration::from_secs(30),
    };
}

/// Of a request. No client that there is sends as much.
const LARGEST_HEAD: usize = 64 * 1024;
/// Between two attempts where accepting fails: without file descriptors it goes on failing for a while.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves until dropped, and every connection with it.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    guard: watch::Receiver<Guard>,
    limits: Limits,
) {
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        if open.len() >= limits.connections {
            open.join_next().await;
            continue;
        }
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        // The certificate of this moment: a newer one is for connections that begin then.
        let tls = guard.borrow().tls.clone();
        open.spawn(attend(stream, tls, router.clone(), limits));
    }
}

async fn attend(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, limits: Limits) {
    // Without these it is only less patient: with who takes nothing, and who is gone without a word.
    let socket = SockRef::from(&stream);
    drop(socket.set_tcp_user_timeout(Some(limits.taken)));
    drop(socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(limits.taken)));
    drop(stream.set_nodelay(true));
    match tls {
        None => answer(stream, router, limits).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(limits.handshake, tls.accept(stream)).await {
                answer(stream, router, limits).await;
            }
        }
    }
}

/// Its end is the client's affair: it has left, or it was too slow.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(stream: S, router: Router, limits: Limits) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    drop(connection.await);
}
