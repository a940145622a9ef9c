//! A TLS handshake is made. Unless the check says otherwise nothing is asked of the certificate: a real server is tried by its
//! address, and its certificate names the service.

use std::sync::{Arc, LazyLock};

use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, WantsVerifier,
};

use super::bad::Bad;
use super::door::{Connection, Door};
use crate::check::kind::Secure;

pub(super) type Configured = Result<Arc<ClientConfig>, String>;

static LENIENT: LazyLock<Configured> = LazyLock::new(lenient);
/// The certificates that this host trusts are read once.
static STRICT: LazyLock<Configured> = LazyLock::new(strict);

/// Makes a handshake, and says goodbye.
pub(super) async fn greet(secure: &Secure, to: &Door) -> Result<(), Bad> {
    let mut stream = connect(secure, to).await?;
    // It has passed, whatever becomes of this.
    drop(stream.shutdown().await);
    Ok(())
}

pub(super) async fn connect(secure: &Secure, to: &Door) -> Result<TlsStream<Connection>, Bad> {
    let config: &Configured = if secure.verify { &STRICT } else { &LENIENT };
    let config = config.clone().map_err(Bad::Checker)?;
    handshake(config, secure, to).await
}

pub(super) async fn handshake(
    config: Arc<ClientConfig>,
    secure: &Secure,
    to: &Door,
) -> Result<TlsStream<Connection>, Bad> {
    let name = secure
        .server_name
        .clone()
        .unwrap_or_else(|| ServerName::from(to.address().ip()));
    let stream = to.connect().await?;
    Ok(TlsConnector::from(config).connect(name, stream).await?)
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let versions = builder.with_safe_default_protocol_versions();
    versions.map_err(|error| format!("TLS cannot be spoken on this host: {error}"))
}

fn lenient() -> Configured {
    let anything = Arc::new(Anything(ring::default_provider()));
    let config = builder()?.dangerous().with_custom_certificate_verifier(anything);
    Ok(Arc::new(config.with_no_client_auth()))
}

fn strict() -> Configured {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        let why = found.errors.first().map(|error| format!(": {error}"));
        return Err(format!(
            "this host trusts no certificate{}; install ca-certificates, or set SSL_CERT_FILE",
            why.unwrap_or_default()
        ));
    }
    trusting(roots)
}

pub(super) fn trusting(roots: RootCertStore) -> Configured {
    let config = builder()?.with_root_certificates(roots);
    Ok(Arc::new(config.with_no_client_auth()))
}

/// Takes any certificate, even one that cannot be read.
#[derive(Debug)]
struct Anything(CryptoProvider);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
