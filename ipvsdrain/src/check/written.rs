//! The kinds of checks as they are written in the configuration, with their defaults.

use serde::{Deserialize, Serialize};

/// A connection is made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tcp {}

/// A datagram is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Udp {
    pub send: Option<String>,
    pub send_hex: Option<String>,
    /// Somewhere in the answer.
    pub expect: Option<String>,
    pub expect_hex: Option<String>,
}

/// A name server is asked for a record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    pub name: String,
    pub record: Record,
    /// One of the answers.
    pub answer: Option<String>,
    pub tcp: bool,
}

/// The records that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Record {
    #[default]
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

/// A page is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    pub path: String,
    pub host: Option<String>,
    pub status: Vec<u16>,
    /// Somewhere in the first 64 KiB of the answer.
    pub body: Option<String>,
}

/// A page is asked for over TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Https {
    pub path: String,
    pub host: Option<String>,
    pub status: Vec<u16>,
    pub body: Option<String>,
    pub server_name: Option<String>,
    pub verify: bool,
}

/// A TLS handshake is made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    pub server_name: Option<String>,
    pub verify: bool,
}

/// A command is run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exec {
    /// The program, by its whole path, and its arguments.
    pub run: Vec<String>,
    /// The exit codes that mean a failure; none named: all but 0.
    pub down: Vec<u8>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            host: None,
            status: vec![200],
            body: None,
        }
    }
}

impl Default for Https {
    fn default() -> Self {
        let http = Http::default();
        Self {
            path: http.path,
            host: None,
            status: http.status,
            body: None,
            server_name: None,
            verify: false,
        }
    }
}
