//! Who is let in, and by which certificate, over real sockets.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::tests::{lively, with_guarded_web};
use super::{Guard, GuardError, Limits};
use crate::config::WebSettings;

/// A second, as a limit that a test waits for.
const SHORT: Duration = Duration::from_secs(1);

fn users(of: &[(&str, &str)]) -> WebSettings {
    let hash = |(name, password): &(&str, &str)| ((*name).to_owned(), bcrypt::hash(password, 4).unwrap());
    WebSettings {
        users: of.iter().map(hash).collect(),
        ..WebSettings::default()
    }
}

/// Writes a new certificate and its key below `folder`, and returns it.
fn certify(folder: &Path) -> (WebSettings, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["drain.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let paths = (folder.join("web.pem"), folder.join("web.key"));
    fs::write(&paths.0, certificate.pem()).unwrap();
    fs::write(&paths.1, key.serialize_pem()).unwrap();
    let settings = WebSettings {
        certificate: Some(paths.0),
        key: Some(paths.1),
        ..WebSettings::default()
    };
    (settings, certificate.der().clone())
}

async fn with<F: Future<Output = ()>>(
    settings: &WebSettings,
    limits: Limits,
    talk: impl FnOnce(SocketAddr, watch::Sender<Guard>) -> F,
) {
    let (guard, guards) = watch::channel(Guard::load(settings).unwrap());
    with_guarded_web(lively(), "", guards, limits, |address, _| talk(address, guard)).await;
}

/// The answer to one request, on a connection that may live on.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str, header: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_lowercase();
            let length = lower
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .unwrap();
            if body.len() >= length.parse().unwrap() {
                return text;
            }
        }
        assert!(
            stream.read_buf(&mut answer).await.unwrap() > 0,
            "it closed: {text}"
        );
    }
}

fn basic(pair: &str) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    format!("Authorization: Basic {encoded}\r\n")
}

async fn status(address: SocketAddr, path: &str, header: &str) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = ask(&mut stream, path, header).await;
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn secured(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("drain.example").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn a_right_name_and_password_are_let_in_and_no_others() {
    let settings = users(&[("prometheus", "right"), ("grafana", "other")]);
    with(&settings, Limits::USUAL, |address, _| async move {
        let long = "x".repeat(5_000);
        for (header, expected) in [
            (String::new(), 401),
            (basic("prometheus:right"), 200),
            (basic("grafana:other"), 200),
            (basic("prometheus:other"), 401),
            (basic("prometheus:"), 401),
            (basic("nobody:right"), 401),
            (basic(":right"), 401),
            (basic("prometheus"), 401),
            (basic("prometheus:right\0"), 401),
            (basic(&format!("prometheus:{long}")), 401),
            ("Authorization: Basic not-base64\r\n".to_owned(), 401),
            ("Authorization: Basic\r\n".to_owned(), 401),
            (basic("prometheus:right").replace("Basic", "Bearer"), 401),
            (basic("prometheus:right").replace("Basic", "bAsIc"), 200),
        ] {
            let seen = status(address, "/metrics", &header).await;
            assert_eq!(seen, expected, "{header}");
        }
        // What is not there is not told to everybody either.
        assert_eq!(status(address, "/nothing", "").await, 401);
        assert_eq!(status(address, "/nothing", &basic("grafana:other")).await, 404);
    })
    .await;
}

#[tokio::test]
async fn who_is_refused_is_told_how_to_ask_and_a_prober_needs_nothing() {
    let settings = users(&[("prometheus", "right")]);
    with(&settings, Limits::USUAL, |address, _| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let refused = ask(&mut stream, "/metrics", "").await;
        assert!(
            refused.contains("\r\nwww-authenticate: Basic realm=\"ipvsdrain\""),
            "{refused}"
        );
        assert!(!refused.contains("ipvsdrain_"), "{refused}");
        assert_eq!(status(address, "/healthz", "").await, 200);
        assert_eq!(status(address, "/healthz/", "").await, 401);
        assert_eq!(status(address, "//healthz", "").await, 401);
    })
    .await;
}

#[tokio::test]
async fn a_password_is_hashed_once_and_a_wrong_one_is_never_remembered() {
    let settings = users(&[("prometheus", "right")]);
    let guard = Guard::load(&settings).unwrap();
    let users = guard.users.clone().unwrap();
    let (_guard, guards) = watch::channel(guard);
    with_guarded_web(lively(), "", guards, Limits::USUAL, |address, _| async move {
        for _ in 0..3 {
            assert_eq!(status(address, "/metrics", &basic("prometheus:wrong")).await, 401);
        }
        assert_eq!(users.remembered(), 0);
        for _ in 0..3 {
            assert_eq!(status(address, "/metrics", &basic("prometheus:right")).await, 200);
        }
        assert_eq!(users.remembered(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_password_that_was_changed_no_longer_opens_a_connection_that_is_still_there() {
    let before = users(&[("prometheus", "old")]);
    with(&before, Limits::USUAL, |address, guard| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let old = ask(&mut stream, "/metrics", &basic("prometheus:old")).await;
        assert!(old.starts_with("HTTP/1.1 200"), "{old}");
        guard.send_replace(Guard::load(&users(&[("prometheus", "new")])).unwrap());
        let old = ask(&mut stream, "/metrics", &basic("prometheus:old")).await;
        assert!(old.starts_with("HTTP/1.1 401"), "{old}");
        let new = ask(&mut stream, "/metrics", &basic("prometheus:new")).await;
        assert!(new.starts_with("HTTP/1.1 200"), "{new}");
    })
    .await;
}

#[tokio::test]
async fn a_renewed_certificate_is_for_new_connections_and_old_ones_live_on() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, first) = certify(folder.path());
    with(&settings, Limits::USUAL, |address, guard| async move {
        let mut old = secured(address, &first).await.unwrap();
        assert!(ask(&mut old, "/healthz", "").await.starts_with("HTTP/1.1 200"));
        let (settings, second) = certify(folder.path());
        guard.send_replace(Guard::load(&settings).unwrap());
        let mut new = secured(address, &second).await.unwrap();
        assert!(ask(&mut new, "/metrics", "").await.starts_with("HTTP/1.1 200"));
        assert!(ask(&mut old, "/metrics", "").await.starts_with("HTTP/1.1 200"));
        assert!(secured(address, &first).await.is_err());
        // Who speaks no TLS gets nothing.
        let mut plain = TcpStream::connect(address).await.unwrap();
        plain
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        drop(plain.read_to_end(&mut answer).await);
        assert!(!String::from_utf8_lossy(&answer).contains("ipvsdrain"));
    })
    .await;
}

#[tokio::test]
async fn who_says_nothing_or_half_of_it_is_let_go_and_others_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let (encrypted, certificate) = certify(folder.path());
    let limits = Limits {
        connections: 2,
        handshake: SHORT,
        head: SHORT,
        taken: SHORT,
    };
    with(&WebSettings::default(), limits, |address, _| async move {
        let mut idle = Vec::new();
        for said in ["", "GET /metrics HTTP/1.1\r\nHost:", "GET "] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            idle.push(stream);
        }
        // All places are taken: it waits until they are let go.
        assert_eq!(status(address, "/healthz", "").await, 200);
        for stream in &mut idle {
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
    })
    .await;
    with(&encrypted, limits, |address, _| async move {
        let _idle = [
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        ];
        let mut stream = secured(address, &certificate).await.unwrap();
        assert!(ask(&mut stream, "/healthz", "").await.starts_with("HTTP/1.1 200"));
    })
    .await;
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (good, _) = certify(folder.path());
    let other = tempfile::tempdir().unwrap();
    let (foreign, _) = certify(other.path());
    let text = folder.path().join("text");
    fs::write(&text, "no PEM").unwrap();
    let said = |settings: WebSettings| {
        let error: GuardError = Guard::load(&settings).unwrap_err();
        (error.keys()[1], error.to_string())
    };
    let missing = WebSettings {
        certificate: Some(folder.path().join("none")),
        ..good.clone()
    };
    let (key, sentence) = said(missing);
    assert_eq!(key, "certificate");
    assert!(
        sentence.contains("/none cannot be read: ") && sentence.contains("give the whole path"),
        "{sentence}"
    );
    let (key, sentence) = said(WebSettings {
        certificate: Some(text.clone()),
        ..good.clone()
    });
    assert!(
        key == "certificate" && sentence.starts_with("there is no certificate in "),
        "{sentence}"
    );
    let (key, sentence) = said(WebSettings {
        key: Some(text),
        ..good.clone()
    });
    assert!(
        key == "key" && sentence.starts_with("there is no private key in "),
        "{sentence}"
    );
    let (key, sentence) = said(WebSettings {
        key: foreign.key,
        ..good.clone()
    });
    assert!(
        key == "key" && sentence.contains("is not the key of the certificate in"),
        "{sentence}"
    );
    // A key where the certificate is wanted.
    let (key, _) = said(WebSettings {
        certificate: good.key.clone(),
        ..good
    });
    assert_eq!(key, "certificate");
}
