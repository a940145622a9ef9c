//! What the configuration says of checks: which services, how often, and what of them is no way to check anything.

use std::num::NonZeroU16;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::target::Via;
use super::written::{Dns, Exec, Http, Https, Tcp, Tls, Udp};
use crate::drain::Match;

/// One way to try the real servers of some services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Check {
    /// Another name than the word of its kind.
    pub name: Option<String>,
    #[serde(rename = "match")]
    pub matches: Match,
    /// From the beginning of one try of a server to that of the next.
    pub interval_ms: u32,
    pub timeout_ms: u32,
    /// So many passes in a row, and a server that was down is up.
    pub rise: u32,
    /// So many failures in a row, and it is down.
    pub fall: u32,
    /// By how much of the interval each pause is longer or shorter at most.
    pub jitter_percent: u32,
    /// Another port than the real server's.
    pub port: Option<NonZeroU16>,
    pub via: Via,
    pub tcp: Option<Tcp>,
    pub udp: Option<Udp>,
    pub dns: Option<Dns>,
    pub http: Option<Http>,
    pub https: Option<Https>,
    pub tls: Option<Tls>,
    pub exec: Option<Exec>,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            name: None,
            matches: Match::default(),
            interval_ms: 2000,
            timeout_ms: 1000,
            rise: 2,
            fall: 1,
            jitter_percent: 10,
            port: None,
            via: Via::Auto,
            tcp: None,
            udp: None,
            dns: None,
            http: None,
            https: None,
            tls: None,
            exec: None,
        }
    }
}

/// A check that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    #[error("a check needs a match: name a protocol, an address, a port or a mark")]
    NoMatch,
    #[error("a check needs one of tcp, udp, dns, http, https, tls, exec: none is given")]
    NoKind,
    #[error("a check is of one kind: {0} and {1} are given; make two of it")]
    TwoKinds(&'static str, &'static str),
    #[error("`{0}` is no name of a check: give 1 to 32 of a-z, 0-9, `-`, `_` and `.`")]
    Name(String),
    #[error(
        "another check is called `{0}` too, and some service may have both: give one of them another name, or let their \
         matches differ"
    )]
    SameName(String),
    #[error("{given}{unit} is out of range: give {least} to {most}{unit}")]
    Range {
        given: u32,
        least: u32,
        most: u32,
        unit: &'static str,
    },
    #[error(
        "a timeout of {timeout} ms is longer than the interval of {interval} ms: the tries of one server would overlap"
    )]
    Timeout { timeout: u32, interval: u32 },
    #[error("{0}")]
    Kind(String),
}

/// The keys below the check that lead to what is wrong, and what that is.
pub type Wrong = (Vec<&'static str>, CheckError);

const INTERVAL: RangeInclusive<u32> = 100..=3_600_000;
const TIMEOUT: RangeInclusive<u32> = 10..=300_000;
const IN_A_ROW: RangeInclusive<u32> = 1..=100;
const JITTER: RangeInclusive<u32> = 0..=50;

impl Check {
    /// A check in which every key that there may be is set.
    pub fn with_every_key() -> Self {
        Self {
            tcp: Some(Tcp::default()),
            udp: Some(Udp::default()),
            dns: Some(Dns::default()),
            http: Some(Http::default()),
            https: Some(Https::default()),
            tls: Some(Tls::default()),
            exec: Some(Exec::default()),
            ..Self::default()
        }
    }

    /// What is tried, if all of the check makes sense.
    ///
    /// # Errors
    /// The first key that does not.
    pub fn kind(&self) -> Result<Kind, Wrong> {
        if self.matches == Match::default() {
            return Err((vec!["match"], CheckError::NoMatch));
        }
        let mut words = self.words().into_iter();
        let word = words.next().ok_or((Vec::new(), CheckError::NoKind))?;
        if let Some(second) = words.next() {
            return Err((vec![second], CheckError::TwoKinds(word, second)));
        }
        self.check_name()?;
        let ranges = [
            ("interval_ms", self.interval_ms, INTERVAL, " ms"),
            ("timeout_ms", self.timeout_ms, TIMEOUT, " ms"),
            ("rise", self.rise, IN_A_ROW, ""),
            ("fall", self.fall, IN_A_ROW, ""),
            ("jitter_percent", self.jitter_percent, JITTER, " %"),
        ];
        for (key, given, range, unit) in ranges {
            if !range.contains(&given) {
                let (least, most) = range.into_inner();
                let error = CheckError::Range {
                    given,
                    least,
                    most,
                    unit,
                };
                return Err((vec![key], error));
            }
        }
        let (timeout, interval) = (self.timeout_ms, self.interval_ms);
        if timeout > interval {
            return Err((vec!["timeout_ms"], CheckError::Timeout { timeout, interval }));
        }
        self.read(word)
            .map_err(|(key, fault)| (vec![word, key], CheckError::Kind(fault)))
    }

    /// The words of the kinds that are given.
    fn words(&self) -> Vec<&'static str> {
        let given = [
            ("tcp", self.tcp.is_some()),
            ("udp", self.udp.is_some()),
            ("dns", self.dns.is_some()),
            ("http", self.http.is_some()),
            ("https", self.https.is_some()),
            ("tls", self.tls.is_some()),
            ("exec", self.exec.is_some()),
        ];
        let given = given.into_iter().filter(|(_, given)| *given);
        given.map(|(word, _)| word).collect()
    }

    fn read(&self, word: &'static str) -> Result<Kind, (&'static str, String)> {
        let kinds = [
            self.tcp.as_ref().map(|_| Ok(Kind::Tcp)),
            self.udp.as_ref().map(Udp::read),
            self.dns.as_ref().map(Dns::read),
            self.http.as_ref().map(Http::read),
            self.https.as_ref().map(Https::read),
            self.tls.as_ref().map(Tls::read),
            self.exec.as_ref().map(Exec::read),
        ];
        let kind = kinds.into_iter().flatten().next();
        kind.unwrap_or_else(|| Err((word, "it is not given".to_owned())))
    }

    /// What it is called: its name, or the word of its kind.
    pub fn name(&self) -> &str {
        let word = || self.words().first().copied().unwrap_or_default();
        self.name.as_deref().unwrap_or_else(word)
    }

    fn check_name(&self) -> Result<(), Wrong> {
        let name = self.name();
        let may_stand = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        if (1..=32).contains(&name.len()) && name.chars().all(may_stand) {
            return Ok(());
        }
        Err((vec!["name"], CheckError::Name(name.to_owned())))
    }

    /// Whether there may be a service that has both, and could not tell them apart.
    fn may_be_taken_for(&self, other: &Self) -> bool {
        fn agree<T: PartialEq + Copy>(one: Option<T>, other: Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        let (one, two) = (&self.matches, &other.matches);
        let of_address = |a: &Match| a.protocol.is_some() || a.address.is_some() || a.port.is_some();
        let marked_and_not = |a: &Match, b: &Match| a.mark.is_some() && of_address(b);
        self.name() == other.name()
            && agree(one.protocol, two.protocol)
            && agree(one.address, two.address)
            && agree(one.port, two.port)
            && agree(one.mark, two.mark)
            && !marked_and_not(one, two)
            && !marked_and_not(two, one)
    }
}

/// The first check that cannot be made: its number, and what is wrong with it.
pub fn first_wrong(checks: &[Check]) -> Option<(usize, Wrong)> {
    checks.iter().enumerate().find_map(|(number, check)| {
        let alone = check.kind().err();
        let same = || {
            let earlier = checks.iter().take(number);
            let clash = earlier.into_iter().any(|earlier| earlier.may_be_taken_for(check));
            let error = || (vec!["name"], CheckError::SameName(check.name().to_owned()));
            clash.then(error)
        };
        alone.or_else(same).map(|wrong| (number, wrong))
    })
}
