//! The kinds of checks, once they are known to make sense. Nothing is tried here.

use hickory_proto::rr::{Name, RecordType};
use hyper::Uri;
use hyper::header::HeaderValue;
use tokio_rustls::rustls::pki_types::ServerName;

use super::written::Exec;

/// What is tried, read and found to make sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    Udp(Exchange),
    Dns(Question),
    Http(Get),
    Tls(Secure),
    Exec(Exec),
}

/// A datagram, and what the answer must contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub(super) send: Vec<u8>,
    pub(super) expect: Option<Vec<u8>>,
}

/// What a name server is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub(super) name: Name,
    pub(super) record: RecordType,
    pub(super) answer: Option<String>,
    pub(super) tcp: bool,
}

/// What a web server is asked, and what it must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    pub(super) path: Uri,
    pub(super) host: Option<HeaderValue>,
    pub(super) status: Vec<u16>,
    pub(super) body: Option<String>,
    pub(super) secure: Option<Secure>,
}

/// How TLS is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secure {
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) verify: bool,
}
