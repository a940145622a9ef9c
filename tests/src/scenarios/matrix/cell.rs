//! One combination of family, protocol, forwarding method and kind of service; and which of them there are.

use std::fmt;

use ipvsdrain::identity::{Family, Protocol};

use crate::world::Forwarding;

/// The forwarding methods, in the order of the matrix.
pub(super) const FORWARDING: [Forwarding; 5] = [
    Forwarding::DirectRoute,
    Forwarding::Masquerade,
    Forwarding::Tunnel,
    Forwarding::Gue,
    Forwarding::Gre,
];

/// What kind of virtual service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// Found by the packet's mark; its real servers have no port of their own.
    Fwmark,
    /// A template per client, which is no flow.
    Persistent,
    /// Each datagram is scheduled for itself. UDP only.
    OnePacket,
}

/// One combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) family: Family,
    pub(super) protocol: Protocol,
    pub(super) forwarding: Forwarding,
    pub(super) kind: Kind,
}

/// All cells of one forwarding method.
pub(super) fn all(forwarding: Forwarding) -> impl Iterator<Item = Cell> {
    let kinds = [Kind::Plain, Kind::Fwmark, Kind::Persistent, Kind::OnePacket];
    let services = [Family::V4, Family::V6].into_iter().flat_map(move |family| {
        [Protocol::Udp, Protocol::Tcp]
            .into_iter()
            .flat_map(move |protocol| kinds.map(|kind| (family, protocol, kind)))
    });
    services
        .filter(|(_, protocol, kind)| *kind != Kind::OnePacket || *protocol == Protocol::Udp)
        .map(move |(family, protocol, kind)| Cell {
            family,
            protocol,
            forwarding,
            kind,
        })
}

/// `v6-udp-gue-fwmark`
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::V4 => "v4",
            Family::V6 => "v6",
        };
        let forwarding = match self.forwarding {
            Forwarding::DirectRoute => "direct-route",
            Forwarding::Masquerade => "masquerade",
            Forwarding::Tunnel => "ipip",
            Forwarding::Gue => "gue",
            Forwarding::Gre => "gre",
        };
        let kind = match self.kind {
            Kind::Plain => "plain",
            Kind::Fwmark => "fwmark",
            Kind::Persistent => "persistent",
            Kind::OnePacket => "ops",
        };
        write!(f, "{family}-{}-{forwarding}-{kind}", self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_forwarding_method_has_every_kind_in_both_families() {
        let names: Vec<String> = all(Forwarding::Gue).map(|cell| cell.to_string()).collect();
        assert_eq!(names.len(), 2 * (4 + 3));
        assert!(names.contains(&"v6-udp-gue-ops".to_owned()));
        assert!(!names.contains(&"v4-tcp-gue-ops".to_owned()));
    }
}
