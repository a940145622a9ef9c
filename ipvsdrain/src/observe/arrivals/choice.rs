//! Which interfaces, and which way to count on each. Pure.
//!
//! Every packet goes on to the kernel, whatever is counted, so XDP's gain, sparing the kernel's buffers, is none here.
//! What is left is its price (`docs/adr/0005`): on virtual devices it copies or re-allocates each packet, attaching the
//! native form may restart a network card's queues, and that form counts what GRO has not merged yet, where IPVS counts
//! what it has. So a classifier comes first where one can be put there without a loss, and native XDP is only for whoever
//! prefers it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::device::Device;

/// How arrivals are to be counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Preference {
    /// What is exact and loses nothing: a classifier where there is a place for one, else XDP behind the driver.
    #[default]
    Auto,
    /// XDP in the driver, else behind it, else a classifier.
    Xdp,
    /// XDP behind the driver, else a classifier: where native XDP would restart queues, or is not to be trusted.
    XdpGeneric,
    /// Not at all: losses are not counted.
    Off,
}

impl TryFrom<String> for Preference {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Preference> for String {
    fn from(preference: Preference) -> Self {
        preference.word().to_owned()
    }
}

impl Preference {
    const ALL: [Preference; 4] = [
        Preference::Auto,
        Preference::Xdp,
        Preference::XdpGeneric,
        Preference::Off,
    ];

    const fn word(self) -> &'static str {
        match self {
            Preference::Auto => "auto",
            Preference::Xdp => "xdp",
            Preference::XdpGeneric => "xdp-generic",
            Preference::Off => "off",
        }
    }
}

impl fmt::Display for Preference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Preference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Preference::ALL
            .into_iter()
            .find(|preference| preference.word() == text)
            .ok_or_else(|| {
                let words = Preference::ALL.map(Preference::word).join(", ");
                format!("arrivals are counted one of these ways: {words}; not \"{text}\"")
            })
    }
}

/// One way to see frames come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A classifier in the row that 6.6 brought.
    Tcx,
    /// A classifier of the old kind, a filter of a queueing discipline that is there.
    Filter,
    XdpNative,
    XdpGeneric,
}

impl Way {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Way::Tcx | Way::Filter => "a classifier",
            Way::XdpNative => "native XDP",
            Way::XdpGeneric => "generic XDP",
        }
    }
}

/// The ways to try, in this order, where `classifier` is the one for a classifier, if there is any.
pub(super) fn ways(preference: Preference, classifier: Option<Way>) -> Vec<Way> {
    let (before, xdp, after): (_, &[Way], _) = match preference {
        Preference::Auto => (classifier, &[Way::XdpGeneric], None),
        Preference::Xdp => (None, &[Way::XdpNative, Way::XdpGeneric], classifier),
        Preference::XdpGeneric => (None, &[Way::XdpGeneric], classifier),
        Preference::Off => (None, &[], None),
    };
    before
        .into_iter()
        .chain(xdp.iter().copied())
        .chain(after)
        .collect()
}

/// The interfaces to look at: the named ones, or all that are up and bring packets in themselves. A VLAN, a bond, a bridge and the
/// like only pass on what came in below them, which is counted there; where nothing else is, they are taken.
pub(super) fn devices<'a>(all: &'a [Device], named: &[String]) -> Result<Vec<&'a Device>, String> {
    if !named.is_empty() {
        return named
            .iter()
            .map(|name| {
                let found = all.iter().find(|device| device.name == *name);
                found.ok_or_else(|| {
                    let known: Vec<&str> = all.iter().map(|device| device.name.as_str()).collect();
                    format!("there is no interface {name}, only {}", known.join(", "))
                })
            })
            .collect();
    }
    let real: Vec<&Device> = all.iter().filter(|device| !device.is_loopback).collect();
    let lowest: Vec<&Device> = real
        .iter()
        .copied()
        .filter(|device| device.is_up && !device.is_stacked())
        .collect();
    match (lowest.is_empty(), real.is_empty()) {
        (false, _) => Ok(lowest),
        (true, false) => Ok(real),
        (true, true) => Err("there is no interface but the loopback".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, driver: &str) -> Device {
        Device {
            index: 0,
            name: name.to_owned(),
            driver: driver.to_owned(),
            is_loopback: name == "lo",
            is_up: name != "tunl0",
        }
    }

    fn chosen(all: &[Device], named: &[&str]) -> Result<Vec<String>, String> {
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        devices(all, &named).map(|found| found.iter().map(|device| device.name.clone()).collect())
    }

    #[test]
    fn what_is_stacked_on_another_interface_is_left_out() {
        let all = [
            device("lo", ""),
            device("eth0", "ixgbe"),
            device("eth0.10", "802.1Q VLAN Support"),
            device("bond0", "bonding"),
            device("br0", "bridge"),
            device("tunl0", ""),
            device("veth1", "veth"),
        ];
        assert_eq!(chosen(&all, &[]).unwrap(), ["eth0", "veth1"], "tunl0 is down");
    }

    #[test]
    fn where_all_are_stacked_they_are_taken() {
        let all = [device("lo", ""), device("mv0", "macvlan")];
        assert_eq!(chosen(&all, &[]).unwrap(), ["mv0"]);
        assert!(chosen(&all[..1], &[]).unwrap_err().contains("loopback"));
    }

    #[test]
    fn named_interfaces_must_exist() {
        let all = [device("lo", ""), device("eth0", "veth"), device("eth1", "veth")];
        assert_eq!(chosen(&all, &["eth1"]).unwrap(), ["eth1"]);
        let said = chosen(&all, &["eth1", "eth7"]).unwrap_err();
        assert!(said.contains("eth7") && said.contains("lo, eth0, eth1"), "{said}");
    }

    #[test]
    fn a_preference_comes_first_and_a_classifier_where_there_is_a_place() {
        use Way::{Filter, Tcx, XdpGeneric, XdpNative};
        for (preference, with, without) in [
            (Preference::Auto, &[Filter, XdpGeneric][..], &[XdpGeneric][..]),
            (
                Preference::Xdp,
                &[XdpNative, XdpGeneric, Filter],
                &[XdpNative, XdpGeneric],
            ),
            (Preference::XdpGeneric, &[XdpGeneric, Filter], &[XdpGeneric]),
            (Preference::Off, &[], &[]),
        ] {
            assert_eq!(ways(preference, Some(Filter)), with, "{preference}");
            assert_eq!(ways(preference, None), without, "{preference}");
        }
        assert_eq!(ways(Preference::Auto, Some(Tcx)), [Tcx, XdpGeneric]);
    }

    #[test]
    fn a_preference_reads_back_as_itself() {
        for preference in Preference::ALL {
            assert_eq!(preference.to_string().parse(), Ok(preference));
        }
        let said = "native".parse::<Preference>().unwrap_err();
        assert!(
            said.contains("auto, xdp, xdp-generic, off") && said.contains("native"),
            "{said}"
        );
    }
}
