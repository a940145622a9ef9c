//! Servers to be tried, each in a task of the test's own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::probe;
use crate::check::job::Job;
use crate::check::settings::Check;
use crate::check::wanted::Key;
use crate::health::Outcome;
use crate::identity::RealServer;

/// A time in which every server answers that means to.
pub(super) const PATIENT: u32 = 300_000;
/// A time that is waited for in vain.
pub(super) const IMPATIENT: u32 = 100;

pub(super) fn job(kind: &str, timeout_ms: u32) -> Job {
    let common = format!("match = {{ port = 80 }}\ninterval_ms = {PATIENT}\ntimeout_ms = {timeout_ms}\n");
    let check: Check = toml::from_str(&(common + kind)).unwrap();
    Job::of(&check).expect("a check that makes sense")
}

/// What comes of this check of a server there.
pub(super) async fn tried(kind: &str, timeout_ms: u32, at: SocketAddr) -> Outcome {
    let service = "tcp:10.0.0.1:80".parse().unwrap();
    let key = Key {
        source: "check:test".into(),
        service,
        server: RealServer(at),
        direct: false,
    };
    probe(&job(kind, timeout_ms), &key).await
}

pub(super) fn failed(cause: &str) -> Outcome {
    Outcome::Failed(cause.to_owned())
}

/// What a server does with whoever asks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    /// Says this as soon as it was asked something, and closes.
    Says(&'static str),
    /// Closes at once.
    Closes,
    /// Never says anything.
    Hangs,
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, manner: Manner) {
    let mut asked = [0; 4096];
    match manner {
        Manner::Says(answer) => {
            drop(stream.read(&mut asked).await);
            drop(stream.write_all(answer.as_bytes()).await);
            drop(stream.shutdown().await);
        }
        Manner::Closes => {}
        Manner::Hangs => while stream.read(&mut asked).await.is_ok_and(|length| length > 0) {},
    }
}

pub(super) async fn tcp_server(manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream, manner).await;
        }
    });
    at
}

/// With a certificate of its own making, which is returned.
pub(super) async fn tls_server(name: &str, manner: Manner) -> (SocketAddr, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, manner).await;
            }
        }
    });
    (at, certificate)
}

/// Answers each datagram with those that `answers` makes of it.
pub(super) async fn udp_server(answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut asked = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut asked).await {
            for answer in answers(&asked[..length]) {
                drop(socket.send_to(&answer, from).await);
            }
        }
    });
    at
}

/// Nobody listens here: the port is reserved, and a server that is given any never gets it.
pub(super) const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
