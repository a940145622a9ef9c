//! Where the daemon can be looked at over HTTP, and by whom: what `[web]` says. No file it names is read here.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `listen` is read once, at the start. The rest is followed when the file is read again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebSettings {
    /// `None`: nobody said anything, and [`DEFAULT_LISTEN`] is tried.
    pub listen: Option<Listen>,
    /// A chain of certificates in PEM, the server's own first. With one, there is TLS and nothing else.
    pub certificate: Option<PathBuf>,
    /// Its private key, in PEM.
    pub key: Option<PathBuf>,
    /// Who may look, and the bcrypt hash of each one's password. Without users everybody may.
    pub users: BTreeMap<String, String>,
}

/// What cannot be followed in `[web]`. No hash is shown: it may be a password that somebody took for one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebFault {
    #[error("there is no `{0}` to it: give both `certificate` and `key`, or none of them")]
    Half(&'static str),
    #[error("this is no name of a user: it is neither empty nor has it a colon or a control character in it")]
    UserName,
    #[error(
        "this is no bcrypt hash: `htpasswd -nB NAME` asks for a password and prints one behind the colon"
    )]
    Hash,
    #[error(
        "a hash of cost {0} is out of range: give {CHEAPEST} to {DEAREST}, with `htpasswd -nB -C COST NAME`"
    )]
    Cost(u32),
}

/// What `htpasswd` makes. A password of the dearest takes seconds to check.
const CHEAPEST: u32 = 4;
const DEAREST: u32 = 17;

impl WebSettings {
    /// Where it listens, if anywhere.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.listen {
            Some(Listen::Off) => None,
            Some(Listen::At(address)) => Some(address),
            None => Some(DEFAULT_LISTEN),
        }
    }

    /// What is as configured and still unwise, in a sentence.
    pub fn warning(&self) -> Option<String> {
        let address = self.address().filter(|address| !address.ip().is_loopback())?;
        (!self.users.is_empty() && self.certificate.is_none()).then(|| {
            format!(
                "passwords go unencrypted to {address}, for everybody on the way to read: \
                 give `certificate` and `key` in [web]"
            )
        })
    }

    /// The first fault, with the keys that lead to it.
    pub(super) fn check(&self) -> Result<(), (Vec<String>, WebFault)> {
        let half = match (&self.certificate, &self.key) {
            (Some(_), None) => Some(("certificate", "key")),
            (None, Some(_)) => Some(("key", "certificate")),
            _ => None,
        };
        if let Some((there, missing)) = half {
            return Err((vec![there.to_owned()], WebFault::Half(missing)));
        }
        for (name, hash) in &self.users {
            let at = |fault| (vec!["users".to_owned(), name.clone()], fault);
            if name.is_empty() || name.contains(|c: char| c == ':' || c.is_control()) {
                return Err(at(WebFault::UserName));
            }
            let cost = cost(hash).ok_or_else(|| at(WebFault::Hash))?;
            if !(CHEAPEST..=DEAREST).contains(&cost) {
                return Err(at(WebFault::Cost(cost)));
            }
        }
        Ok(())
    }
}

/// Of a bcrypt hash: `$2y$`, two digits, `$`, and 53 letters. `None` if it is none.
fn cost(hash: &str) -> Option<u32> {
    let kinds = ["$2a$", "$2b$", "$2y$"];
    let rest = kinds.iter().find_map(|kind| hash.strip_prefix(kind))?;
    let (cost, letters) = rest.split_once('$')?;
    let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'/');
    let is_whole = letters.len() == 53 && letters.bytes().all(is_letter);
    let is_cost = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
    (is_whole && is_cost).then(|| cost.parse().ok()).flatten()
}

/// Reached from this host alone.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9969);

/// An address with a port, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Listen {
    Off,
    At(SocketAddr),
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Listen::Off);
        }
        let address = text.parse::<SocketAddr>().ok();
        // With port 0 nobody would know where to look.
        let address = address.filter(|address| address.port() != 0);
        address.map(Listen::At).ok_or_else(|| {
            format!(
                "`{text}` is no address to listen on: write it like {DEFAULT_LISTEN} or [::1]:{}, or `off`",
                DEFAULT_LISTEN.port()
            )
        })
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        match listen {
            Listen::Off => "off".to_owned(),
            Listen::At(address) => address.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_the_clear_are_warned_of_where_others_can_read_them() {
        let hash = bcrypt::hash("secret", CHEAPEST).unwrap();
        let warned = |text: &str| {
            let settings: WebSettings = toml::from_str(text).unwrap();
            settings.warning().is_some()
        };
        let users = format!("users = {{ prometheus = \"{hash}\" }}\n");
        let everywhere = "listen = \"0.0.0.0:9969\"\n";
        assert!(warned(&format!("{everywhere}{users}")));
        assert!(!warned(everywhere));
        assert!(!warned(&users));
        assert!(!warned(&format!("listen = \"[::1]:9969\"\n{users}")));
        assert!(!warned(&format!("listen = \"off\"\n{users}")));
        assert!(!warned(&format!(
            "{everywhere}{users}certificate = \"/c\"\nkey = \"/k\""
        )));
    }

    #[test]
    fn what_is_taken_for_a_hash_is_one() {
        let hash = bcrypt::hash("secret", CHEAPEST).unwrap();
        for version in ["$2a$", "$2b$", "$2y$"] {
            let hash = version.to_owned() + &hash[4..];
            assert_eq!(cost(&hash), Some(CHEAPEST));
            assert!(bcrypt::verify("secret", &hash).unwrap());
        }
        for none in [
            "secret",
            "",
            "$2y$04$",
            "$1$04$abc",
            &hash[..59],
            &hash.replace("$04$", "$4$"),
            &format!("{hash}a"),
        ] {
            assert_eq!(cost(none), None, "{none}");
        }
    }
}
