//! Who may look, and whether anybody on the way can: what `[web]` names, read from the disk.
//!
//! Made anew at each reload, whole or not at all. A connection keeps the certificate it began with.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use super::users::Users;
use crate::config::WebSettings;

/// What stands between the network and the routes. Nothing, by default.
#[derive(Clone, Default)]
pub struct Guard {
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) users: Option<Arc<Users>>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("tls", &self.tls.is_some())
            .field("users", &self.users.is_some())
            .finish()
    }
}

/// Why the certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    #[error("{} cannot be read: {error}; {}", path.display(), remedy(error))]
    Unreadable {
        key: &'static str,
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("there is no certificate in {}: it must hold one in PEM, and those of its issuers behind it", .0.display())]
    NoCertificate(PathBuf),
    #[error("there is no private key in {} that can be used: it must be in PEM, and without a password", .0.display())]
    NoKey(PathBuf),
    #[error("{} is not the key of the certificate in {}: {error}; give those that were made together",
        key.display(), certificate.display())]
    Unfit {
        certificate: PathBuf,
        key: PathBuf,
        error: rustls::Error,
    },
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "give the whole path of a file in PEM",
        ErrorKind::PermissionDenied => {
            "let the user that the daemon runs as read it (group `ipvsdrain`, mode 0640)"
        }
        _ => "give a file in PEM that the user that the daemon runs as can read",
    }
}

impl GuardError {
    /// The keys in the configuration that lead to what is wrong.
    pub fn keys(&self) -> [&'static str; 2] {
        let key = match self {
            GuardError::Unreadable { key, .. } => key,
            GuardError::NoCertificate(_) => "certificate",
            GuardError::NoKey(_) | GuardError::Unfit { .. } => "key",
        };
        ["web", key]
    }
}

impl Guard {
    /// # Errors
    /// If a certificate is named that cannot be used.
    pub fn load(settings: &WebSettings) -> Result<Self, GuardError> {
        let tls = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => Some(acceptor(certificate, key)?),
            _ => None,
        };
        let users = (!settings.users.is_empty()).then(|| Arc::new(Users::new(settings.users.clone())));
        Ok(Self { tls, users })
    }
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, GuardError> {
    let chain = CertificateDer::pem_slice_iter(&read("certificate", certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| GuardError::NoCertificate(certificate.to_owned()))?;
    let private = PrivateKeyDer::from_pem_slice(&read("key", key)?)
        .map_err(|_nothing_found| GuardError::NoKey(key.to_owned()))?;
    let unfit = |error| GuardError::Unfit {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        error,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, GuardError> {
    fs::read(path).map_err(|error| GuardError::Unreadable {
        key,
        path: path.to_owned(),
        error,
    })
}
