//! Handshakes, with and without a look at the certificate.

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

use super::bad::Bad;
use super::door::Door;
use super::servers::{IMPATIENT, Manner, NOBODY, PATIENT, failed, tcp_server, tls_server, tried};
use super::tls::{handshake, trusting};
use crate::check::kind::Secure;
use crate::health::Outcome;

#[tokio::test]
async fn a_handshake_passes_whatever_the_certificate() {
    let (there, _) = tls_server("somebody.example.org", Manner::Hangs).await;
    for kind in ["tls = {}", "tls = { server_name = \"www.example.org\" }"] {
        assert_eq!(tried(kind, PATIENT, there).await, Outcome::Passed, "{kind}");
    }
}

#[tokio::test]
async fn what_is_no_tls_fails() {
    let refused = failed("connection refused");
    assert_eq!(tried("tls = {}", PATIENT, NOBODY).await, refused);
    let hangs = tcp_server(Manner::Hangs).await;
    assert_eq!(
        tried("tls = {}", IMPATIENT, hangs).await,
        failed("no answer within 100 ms")
    );
    for manner in [Manner::Closes, Manner::Says("HTTP/1.1 400 Bad Request\r\n\r\n")] {
        let there = tcp_server(manner).await;
        let outcome = tried("tls = {}", PATIENT, there).await;
        assert!(matches!(outcome, Outcome::Failed(_)), "{manner:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_looked_at_is_for_this_name_and_of_somebody_trusted() {
    let (at, certificate) = tls_server("www.example.org", Manner::Hangs).await;
    let (_, other) = tls_server("www.example.org", Manner::Hangs).await;
    let shake = async |trusted: &CertificateDer<'static>, name: &str| {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let secure = Secure {
            server_name: Some(ServerName::try_from(name.to_owned()).unwrap()),
            verify: true,
        };
        handshake(trusting(roots).unwrap(), &secure, &Door::Own(at))
            .await
            .map(drop)
    };
    assert_eq!(shake(&certificate, "www.example.org").await, Ok(()));
    for (trusted, name) in [(&certificate, "mail.example.org"), (&other, "www.example.org")] {
        match shake(trusted, name).await {
            Err(Bad::Server(said)) => assert!(said.contains("certificate"), "{said}"),
            odd => panic!("{odd:?}"),
        }
    }
}
