//! Which policy a drain gets: the configured one, changed by the rules that match its service, changed by the request.

use std::net::IpAddr;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::policy::{OtherHands, Policy, PolicyError, Then};
use crate::identity::{Protocol, VirtualService};

/// What the configuration says about drains. By default nothing: built-in policy, nothing adopted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Decide and count, and never change the kernel: beside another controller.
    pub shadow: bool,
    /// Short for `policy.other_hands`.
    pub other_hands: Option<OtherHands>,
    pub policy: Changes,
    /// Short for `policy.floor`.
    pub floor: Changes,
    /// Short for `policy.failure`.
    pub failure: Changes,
    /// Later ones win.
    pub service: Vec<Rule>,
    pub adopt: Adopt,
}

/// Another policy for some services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(rename = "match")]
    pub matches: Match,
    pub policy: Changes,
}

/// Services that have all of what is named here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    pub protocol: Option<Protocol>,
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
    pub mark: Option<NonZeroU32>,
}

/// Which servers that another hand set to weight 0 are taken for drains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adopt {
    /// Of these services; by default of none.
    pub services: Vec<Adopted>,
    /// By default they are kept: their table belongs to another program.
    pub then: Then,
}

/// One service, or all of them: written as `all`, or as the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Adopted {
    All,
    Service(VirtualService),
}

/// The word for all of them.
const ALL: &str = "all";

impl TryFrom<String> for Adopted {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == ALL {
            return Ok(Adopted::All);
        }
        let service = text.parse::<VirtualService>();
        service
            .map(Adopted::Service)
            .map_err(|error| format!("{error}, or `{ALL}`"))
    }
}

impl From<Adopted> for String {
    fn from(adopted: Adopted) -> Self {
        match adopted {
            Adopted::All => ALL.to_owned(),
            Adopted::Service(service) => service.to_string(),
        }
    }
}

impl Default for Adopt {
    fn default() -> Self {
        Self {
            services: Vec::new(),
            then: Then::Keep,
        }
    }
}

impl Adopt {
    pub fn takes(&self, service: &VirtualService) -> bool {
        self.services.iter().any(|adopted| match adopted {
            Adopted::All => true,
            Adopted::Service(named) => named == service,
        })
    }
}

impl Match {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn takes(&self, service: &VirtualService) -> bool {
        let (protocol, address, port, mark) = match service {
            VirtualService::Address { protocol, addr } => {
                (Some(*protocol), Some(addr.ip()), Some(addr.port()), None)
            }
            VirtualService::Fwmark { mark, .. } => (None, None, None, Some(*mark)),
        };
        let agrees = self.protocol.is_none_or(|named| protocol == Some(named))
            && self.address.is_none_or(|named| address == Some(named))
            && self.port.is_none_or(|named| port == Some(named))
            && self.mark.is_none_or(|named| mark == Some(named));
        agrees && !self.is_empty()
    }
}

impl Rules {
    /// Checks every rule by itself, before any drain needs it.
    ///
    /// # Errors
    /// The first that cannot be followed.
    pub fn check(&self) -> Result<(), PolicyError> {
        let base = self.base()?;
        for rule in &self.service {
            if rule.matches.is_empty() {
                return Err(PolicyError::Malformed(
                    "a [[service]] rule needs a match: name a protocol, an address, a port or a mark"
                        .to_owned(),
                ));
            }
            rule.policy.apply(&base)?;
        }
        Ok(())
    }

    /// The policy of a drain of one of this service's servers.
    ///
    /// # Errors
    /// A change that no policy can have, or that contradicts the rest.
    pub fn policy(&self, service: &VirtualService, request: &Changes) -> Result<Policy, PolicyError> {
        let mut policy = self.base()?;
        for rule in self.service.iter().filter(|rule| rule.matches.takes(service)) {
            policy = rule.policy.apply(&policy)?;
        }
        request.apply(&policy)
    }

    /// The policy where no rule names the service.
    pub fn base(&self) -> Result<Policy, PolicyError> {
        let short = Changes::default()
            .with("other_hands", self.other_hands)
            .with("floor", Some(&self.floor))
            .with("failure", Some(&self.failure));
        short.apply(&self.policy.apply(&Policy::default())?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OnFailure, Pinned};
    use super::*;

    fn rules(text: &str) -> Rules {
        toml::from_str(text).unwrap()
    }

    fn service(text: &str) -> VirtualService {
        text.parse().unwrap()
    }

    #[test]
    fn later_rules_and_the_request_win() {
        let rules = rules(
            r#"
            other_hands = "reassert"
            [policy]
            udp_quiet_secs = 20
            [floor]
            servers = 2
            [[service]]
            match = { protocol = "udp" }
            policy = { pinned = "migrate", udp_quiet_secs = 5 }
            [[service]]
            match = { protocol = "udp", port = 514 }
            policy = { pinned = "hold" }
            "#,
        );
        assert_eq!(rules.check(), Ok(()));
        let none = Changes::default();
        let policy = |name, request: &Changes| rules.policy(&service(name), request).unwrap();
        let tcp = policy("tcp:10.0.0.1:80", &none);
        assert_eq!(
            (
                tcp.pinned,
                tcp.udp_quiet_secs,
                tcp.floor.servers,
                tcp.floor.weight_percent
            ),
            (Pinned::Wait, 20, 2, 50)
        );
        assert_eq!(tcp.other_hands, OtherHands::Reassert);
        let dns = policy("udp:10.0.0.1:53", &none);
        assert_eq!((dns.pinned, dns.udp_quiet_secs), (Pinned::Migrate, 5));
        let syslog = policy("udp:10.0.0.1:514", &none);
        assert_eq!((syslog.pinned, syslog.udp_quiet_secs), (Pinned::Hold, 5));
        let asked = policy(
            "udp:10.0.0.1:514",
            &none.clone().with("pinned", Some(Pinned::Wait)),
        );
        assert_eq!(asked.pinned, Pinned::Wait);
    }

    #[test]
    fn what_is_done_about_a_failure_is_ruled_like_the_floor() {
        let rules = rules(
            r#"
            [policy]
            failure = { remove_after_secs = 5, confirmations = 2 }
            [failure]
            remove_after_secs = 30
            [[service]]
            match = { port = 53 }
            policy = { failure = { then = "report" } }
            "#,
        );
        assert_eq!(rules.check(), Ok(()));
        let failure = |name| {
            let policy = rules.policy(&service(name), &Changes::default()).unwrap();
            (
                policy.failure.then,
                policy.failure.remove_after_secs,
                policy.failure.confirmations,
            )
        };
        assert_eq!(failure("tcp:10.0.0.1:80"), (OnFailure::Remove, 30, 2));
        assert_eq!(failure("udp:10.0.0.1:53"), (OnFailure::Report, 30, 2));
    }

    #[test]
    fn a_mark_matches_marks_only() {
        let takes = |matches: Match, name| matches.takes(&service(name));
        let mark = Match {
            mark: NonZeroU32::new(7),
            ..Match::default()
        };
        assert!(takes(mark, "fwmark:7") && takes(mark, "fwmark6:7"));
        assert!(!takes(mark, "fwmark:8") && !takes(mark, "udp:10.0.0.1:53"));
        assert!(
            !takes(Match::default(), "udp:10.0.0.1:53"),
            "nothing named, nothing meant"
        );
    }

    #[test]
    fn nothing_is_adopted_that_is_not_named() {
        let adopt = |text: &str| rules(text).adopt;
        let dns = service("udp:10.0.0.1:53");
        assert!(!adopt("").takes(&dns));
        assert_eq!(adopt("").then, Then::Keep);
        assert!(adopt("[adopt]\nservices = [\"all\"]").takes(&dns));
        let one = adopt("[adopt]\nservices = [\"udp:10.0.0.1:53\"]\nthen = \"remove\"");
        assert!(one.takes(&dns) && !one.takes(&service("udp:10.0.0.1:54")));
        assert_eq!(one.then, Then::Remove);
    }

    #[test]
    fn a_rule_that_cannot_be_followed_is_found_at_once() {
        let refused = |text: &str| rules(text).check().unwrap_err().to_string();
        assert!(refused("[[service]]\nmatch = {}\npolicy = {}").contains("needs a match"));
        let odd = "[[service]]\nmatch = { port = 53 }\npolicy = { pined = \"wait\" }";
        assert!(refused(odd).contains("pined"));
        assert!(refused("[floor]\nweight_percent = 101").contains("101"));
        assert!(refused("[failure]\nconfirmations = 0").contains("0 confirmations"));
    }
}
