//! What makes a check of each kind of what is written, or says which key makes no sense.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::str::FromStr;

use hickory_proto::rr::{Name, RecordType};
use hyper::Uri;
use hyper::header::HeaderValue;
use tokio_rustls::rustls::pki_types::ServerName;

use super::hex;
use super::kind::{Exchange, Get, Kind, Question, Secure};
use super::written::{Dns, Exec, Http, Https, Record, Tls, Udp};

/// Something is wrong with this key.
type Odd = (&'static str, String);

/// More than this would be cut into fragments on many networks.
const LONGEST_DATAGRAM: usize = 1400;

impl Udp {
    pub(super) fn read(&self) -> Result<Kind, Odd> {
        let send = bytes(("send", &self.send), ("send_hex", &self.send_hex))?;
        let send = send.ok_or_else(|| ("send", "say what to send: `send` or `send_hex`".to_owned()))?;
        let expect = bytes(("expect", &self.expect), ("expect_hex", &self.expect_hex))?;
        Ok(Kind::Udp(Exchange { send, expect }))
    }
}

/// Bytes that are given as text or in hexadecimal digits.
fn bytes(
    (key, text): (&'static str, &Option<String>),
    (hex_key, digits): (&'static str, &Option<String>),
) -> Result<Option<Vec<u8>>, Odd> {
    let (key, bytes) = match (text, digits) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err((hex_key, format!("give `{key}` or `{hex_key}`, not both"))),
        (Some(text), None) => (key, text.as_bytes().to_vec()),
        (None, Some(digits)) => (hex_key, hex::read(digits).map_err(|fault| (hex_key, fault))?),
    };
    let length = bytes.len();
    if (1..=LONGEST_DATAGRAM).contains(&length) {
        return Ok(Some(bytes));
    }
    Err((
        key,
        format!("{length} bytes are out of range: give 1 to {LONGEST_DATAGRAM}"),
    ))
}

impl Dns {
    pub(super) fn read(&self) -> Result<Kind, Odd> {
        let name = Some(self.name.as_str()).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| ("name", "say which name to ask for".to_owned()))?;
        let mut name = Name::from_str_relaxed(name).map_err(|_| {
            (
                "name",
                format!("`{name}` is no domain name: write it like example.org"),
            )
        })?;
        name.set_fqdn(true);
        let answer = self.answer.as_deref().map(|answer| self.record.canonical(answer));
        let answer = answer.transpose().map_err(|fault| ("answer", fault))?;
        Ok(Kind::Dns(Question {
            name,
            record: self.record.number(),
            answer,
            tcp: self.tcp,
        }))
    }
}

impl Record {
    const fn number(self) -> RecordType {
        match self {
            Record::A => RecordType::A,
            Record::Aaaa => RecordType::AAAA,
            Record::Cname => RecordType::CNAME,
            Record::Mx => RecordType::MX,
            Record::Ns => RecordType::NS,
            Record::Ptr => RecordType::PTR,
            Record::Soa => RecordType::SOA,
            Record::Srv => RecordType::SRV,
            Record::Txt => RecordType::TXT,
        }
    }

    /// The answer as a record of this kind would be shown.
    fn canonical(self, answer: &str) -> Result<String, String> {
        fn address<T: FromStr + ToString>(answer: &str, like: &str) -> Result<String, String> {
            let address = answer.parse::<T>();
            let address =
                address.map_err(|_| format!("`{answer}` is no such address: write it like {like}"))?;
            Ok(address.to_string())
        }
        match self {
            Record::A => address::<Ipv4Addr>(answer, "192.0.2.1"),
            Record::Aaaa => address::<Ipv6Addr>(answer, "2001:db8::1"),
            _ if answer.is_empty() => Err("it is empty: leave it out if any answer will do".to_owned()),
            _ => Ok(answer.to_owned()),
        }
    }
}

impl Http {
    pub(super) fn read(&self) -> Result<Kind, Odd> {
        self.get(None).map(Kind::Http)
    }

    fn get(&self, secure: Option<Secure>) -> Result<Get, Odd> {
        let whole = Some(self.path.as_str()).filter(|path| path.starts_with('/'));
        let path = whole.and_then(|path| path.parse::<Uri>().ok());
        let path = path.ok_or_else(|| {
            let said = format!("`{}` is no path: write it like /health, escaped", self.path);
            ("path", said)
        })?;
        let host = self.host.as_deref().map(|host| {
            let value = HeaderValue::from_str(host).ok().filter(|value| !value.is_empty());
            value.ok_or_else(|| {
                (
                    "host",
                    format!("`{host}` is no host: write it like www.example.org"),
                )
            })
        });
        if self.status.is_empty() {
            return Err(("status", "no status would pass: name one or more".to_owned()));
        }
        if let Some(odd) = self.status.iter().find(|status| !(200..=599).contains(*status)) {
            return Err(("status", format!("{odd} is out of range: give 200 to 599")));
        }
        Ok(Get {
            path,
            host: host.transpose()?,
            status: self.status.clone(),
            body: self.body.clone().filter(|body| !body.is_empty()),
            secure,
        })
    }
}

impl Https {
    pub(super) fn read(&self) -> Result<Kind, Odd> {
        // Whoever is asked for by name has that name in TLS as well, unless something else is said.
        let host = self.host.as_deref();
        let host = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
        let host = host.filter(|host| ServerName::try_from(*host).is_ok());
        let secure = secure(self.server_name.as_deref().or(host), self.verify)?;
        let http = Http {
            path: self.path.clone(),
            host: self.host.clone(),
            status: self.status.clone(),
            body: self.body.clone(),
        };
        http.get(Some(secure)).map(Kind::Http)
    }
}

impl Tls {
    pub(super) fn read(&self) -> Result<Kind, Odd> {
        secure(self.server_name.as_deref(), self.verify).map(Kind::Tls)
    }
}

fn secure(name: Option<&str>, verify: bool) -> Result<Secure, Odd> {
    let server_name = name.map(|name| {
        let read = ServerName::try_from(name.to_owned());
        read.map_err(|_| ("server_name", format!("`{name}` is no name of a server")))
    });
    let server_name = server_name.transpose()?;
    if verify && server_name.is_none() {
        let said = "say which name the certificate must be for: give server_name";
        return Err(("verify", said.to_owned()));
    }
    Ok(Secure { server_name, verify })
}

impl Exec {
    pub(super) fn read(&self) -> Result<Kind, Odd> {
        let Some(program) = self.run.first() else {
            let said = "no command is given: name the program by its whole path, and its arguments";
            return Err(("run", said.to_owned()));
        };
        if !Path::new(program).is_absolute() {
            let said = format!("`{program}` is not a whole path: begin it with a slash");
            return Err(("run", said));
        }
        if self.down.contains(&0) {
            return Err(("down", "0 is how a command says that all is well".to_owned()));
        }
        Ok(Kind::Exec(self.clone()))
    }
}
